"""The room where text becomes speech."""
