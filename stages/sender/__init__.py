"""Converted speech to messages and events: how sound is cut, packed and queued."""
