"""The stages that text passes through on its way to sound, a room for each."""
