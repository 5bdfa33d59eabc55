"""How hard hypothesis tries: HYPOTHESIS_PROFILE=fast, ci (the default) or nightly."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = {"fast": 20, "ci": 60, "nightly": 2_000}
"""Of each law. What strangers send is fuzzed besides, by coverage: `tests/fuzz`."""

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")

settings.register_profile(
    PROFILE,
    max_examples=EXAMPLES[PROFILE],
    # A loaded machine makes single examples slow; that breaks no law.
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(PROFILE)

NEURAL = settings() if PROFILE == "nightly" else settings(max_examples=EXAMPLES[PROFILE] // 3)
"""For laws about networks: an example takes a fifth of a second and more."""
