"""One port: accepting, pacing, TLS, the request head, access, and the two doors behind it."""
