"""What the port needs to speak TLS: a certificate and its key, read once."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from stages.errors import CannotStart

if TYPE_CHECKING:
    from pipeline.settings import ServeSettings


def server_context(options: ServeSettings) -> ssl.SSLContext | None:
    """For the PEM files that are named there; the key may lie in the certificate's. None: no TLS.

    Raises `CannotStart` where they are not what they are taken for."""
    certificate, key = options.tls_certificate, options.tls_key
    if certificate is None:
        if key is not None:
            msg = f"{options.place_of('tls_key')} is of no use without --tls-certificate"
            raise CannotStart(msg)
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)  # TLS 1.2 and up
    context.set_alpn_protocols(["http/1.1"])
    for name, file in (("tls_certificate", certificate), ("tls_key", key)):
        if file is not None and not file.is_file():
            raise CannotStart(f"{options.place_of(name)}: there is no file {file}")
    try:
        # A key with a passphrase would ask for it on the terminal, if there is one.
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        msg = (
            f"{options.place_of('tls_certificate')}: {certificate} and {key or certificate} are no"
            f" certificate and its key in PEM, without a passphrase: {error}"
        )
        raise CannotStart(msg) from error
    return context
