"""The server, with an espeak-ng that is as slow as Soprano.

python tests/clients/slow_server.py [options of server.py]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

if TYPE_CHECKING:
    from pipeline.request import QueuedRequest
    from stages.audio.format import Samples

RATE = 22_050
FACTOR = 0.2
"""Seconds for a second of speech: as slow as Soprano on a few cores."""

if __name__ == "__main__":
    from pipeline import request
    from server import main

    emit = request.QueuedRequest.emit

    def emit_slowly(made: QueuedRequest, samples: Samples) -> None:
        """Hand on a piece of speech, after the time that it would take to make."""
        time.sleep(FACTOR * len(samples) / RATE)
        emit(made, samples)

    vars(request)["QueuedRequest"].emit = emit_slowly
    main(sys.argv[1:])
