"""The server, with a Soprano that stops where a trained one would: random weights hardly ever do.

    python bench/forced.py [options of server.py]

All else is as ``server.py`` has it.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

PROGRAM = "bench/forced.py"

STATES_PER_CHAR = 1.05
"""15 characters a second, as in speech."""


def states_of(text: str) -> int:
    """As many as a text of this length would take."""
    return round(STATES_PER_CHAR * len(text))


if __name__ == "__main__":
    from server import main
    from stages.tts.soprano import engine

    # The engine is made with options of the product, of which the length is none.
    forced = functools.partial(engine.SopranoEngine, force_length=states_of)
    vars(engine)[engine.SopranoEngine.__name__] = forced
    main(sys.argv[1:])
