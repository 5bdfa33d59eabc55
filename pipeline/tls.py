"""What the port needs to speak TLS: a certificate and its key, read once."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from stages.errors import CannotStart

if TYPE_CHECKING:
    from pathlib import Path


def server_context(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """For these PEM files; the key may lie in the certificate's. None: no TLS.

    Raises `CannotStart` where they are not what they are taken for."""
    if certificate is None:
        if key is not None:
            msg = "--tls-key is of no use without --tls-certificate"
            raise CannotStart(msg)
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # TLS 1.2 and up
    context.set_alpn_protocols(["http/1.1"])
    for file in filter(None, (certificate, key)):
        if not file.is_file():
            msg = f"there is no file {file}"
            raise CannotStart(msg)
    try:
        # A key with a passphrase would ask for it on the terminal, if there is one.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        msg = (
            f"{certificate} and {key or certificate} are no certificate and its key in PEM,"
            f" without a passphrase: {error}"
        )
        raise CannotStart(msg) from error
    return context
