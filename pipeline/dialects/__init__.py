"""The languages that clients speak: pure translators between their words and our messages."""
