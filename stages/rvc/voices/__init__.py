"""RVC voices as files: found, checked, read, and kept at hand."""
