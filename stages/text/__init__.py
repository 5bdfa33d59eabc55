"""The text room: markup away, and written text to spoken text. Pure."""
