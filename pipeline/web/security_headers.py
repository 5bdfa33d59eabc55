"""The headers by which browsers guard their people, on every answer over HTTP. Pure.

Most answers are for programs. A browser that is led to one shall neither take it for a page nor
show it in another's, and tell nobody its URL, which may hold a key.
"""

from __future__ import annotations

NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page."""

SECURITY_HEADERS = {
    "content-security-policy": NOTHING,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
    "referrer-policy": "no-referrer",
    # Pages of --allowed-origins fetch by CORS, which this does not touch (Fetch, 3.7).
    "cross-origin-resource-policy": "same-origin",
    # No Cross-Origin-Opener-Policy: over plain HTTP browsers ignore it, and complain of it.
}
"""Of every answer, unless it has others of these names."""
