"""Client protocols: pure translators between their messages and ours, a module each."""
