"""What tests of slots share."""

from __future__ import annotations

import pytest

from stages.neural import linear
from stages.rvc.network import convolution


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights lie as they do on a GPU: not packed for this CPU."""
    for module in (linear, convolution):
        monkeypatch.setattr(module, "can_pack", lambda _weight: False)
