"""TLS for the port: a certificate and its key, read once."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from stages.errors import CannotStart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def server_context(
    certificate: Path | None, key: Path | None, place_of: Callable[[str], str]
) -> ssl.SSLContext | None:
    """The TLS context for these PEM files; the key may lie in the certificate's. None: no TLS.

    Raises `CannotStart` where they are no such files, with the place that set the option, which
    `place_of` knows."""
    if certificate is None:
        if key is not None:
            raise CannotStart(f"{place_of('tls_key')} is of no use without --tls-certificate")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # TLS 1.2 and up
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Without `password` OpenSSL would ask for a key's passphrase on the terminal.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise CannotStart(
            f"{place_of('tls_certificate')}: {certificate} and {key or certificate} are no"
            f" certificate and its key in PEM, without a passphrase: {error}"
        ) from error
    return context
