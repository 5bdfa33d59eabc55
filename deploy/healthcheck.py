"""The image's healthcheck: ends with 0 if its server is ready, else with 1 and the reason.

It needs only Python's standard library. The port and TLS come from the environment, as the server's
do; http.client, unlike urllib, ignores any proxy that the environment names.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

HOST = "127.0.0.1"

TIMEOUT_S = 4.0
"""Below the limit of the image's HEALTHCHECK, so that the reason is printed."""


def problem(environment: dict[str, str]) -> str | None:
    """The reason why the server is not ready; None: it is."""
    port = int(environment.get("VOICE_PORT", "8765"))
    if environment.get("VOICE_TLS_CERTIFICATE"):
        # The certificate is for the server's public name, and nobody else answers at loopback.
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
