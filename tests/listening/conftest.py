"""An ear for all tests that listen."""

from __future__ import annotations

import pytest

from tests.listening.ear import Ear
from tests.listening.speaking import SENTENCES


@pytest.fixture(scope="session")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Ear:
    return Ear(SENTENCES, tmp_path_factory.mktemp("grammar"))
