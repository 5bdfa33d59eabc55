"""Messages to tokens: what a client says, and the settings that hold."""
