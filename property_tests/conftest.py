"""How hard hypothesis tries: HYPOTHESIS_PROFILE=fast, ci (the default) or nightly."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

for name, max_examples in (("fast", 20), ("ci", 100), ("nightly", 2_000)):
    settings.register_profile(
        name,
        max_examples=max_examples,
        # A loaded machine makes single examples slow; that breaks no law.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
