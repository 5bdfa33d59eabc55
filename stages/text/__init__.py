"""Written text to spoken text, before it is cut and spoken."""
