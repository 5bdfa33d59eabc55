"""RVC voices as files: found, checked, loaded and kept."""
