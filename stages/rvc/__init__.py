"""The room where speech gets its pitch and its voice."""
