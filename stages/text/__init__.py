"""The text room: written text to spoken text. Pure and incremental."""
