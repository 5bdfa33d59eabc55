"""How hard hypothesis tries: HYPOTHESIS_PROFILE=fast, ci (the default) or nightly."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = {"fast": 20, "ci": 100, "nightly": 2_000}

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")

settings.register_profile(
    PROFILE,
    max_examples=EXAMPLES[PROFILE],
    # A loaded machine makes single examples slow; that breaks no law.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(PROFILE)

NEURAL = settings() if PROFILE == "nightly" else settings(max_examples=EXAMPLES[PROFILE] // 5)
"""For laws about networks: an example takes a fifth of a second and more."""
