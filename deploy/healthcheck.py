"""Ends with 0 if the server in this container is ready, else with 1 and the reason.

It needs Python's own library alone. It knows the port and TLS from the environment, as the
server does; http.client, unlike urllib, asks no proxy that the environment may name.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

HOST = "127.0.0.1"

TIMEOUT_S = 4.0
"""Less than the image's HEALTHCHECK gives, so that the reason is told."""


def problem(environment: dict[str, str]) -> str | None:
    """What keeps the server from being ready; None: nothing."""
    port = int(environment.get("VOICE_PORT", "8765"))
    if environment.get("VOICE_TLS_CERTIFICATE"):
        # It names the server as others know it, and nobody else answers here.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            HOST, port, timeout=TIMEOUT_S, context=context
        )
    else:
        connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port}: {error}"
    finally:
        connection.close()
    return None if answer.status == http.client.OK else f"{answer.status}: {body}"


if __name__ == "__main__":
    sys.exit(problem(dict(os.environ)))
