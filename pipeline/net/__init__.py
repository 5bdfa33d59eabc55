"""The port: accepting, pacing, TLS, the request head, access, and the WebSocket and HTTP servers
behind it."""
