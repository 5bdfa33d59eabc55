"""The command line: options and where they come from, the commands, the log."""
