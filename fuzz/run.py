r"""The program that fuzzes one target: libFuzzer, by way of atheris, changes inputs of its corpus
so that they take new ways through our modules, and each target says what must hold for any input.

    python fuzz/run.py segments -max_total_time=600     for so many seconds, from the corpus
    python fuzz/run.py segments FILE                    this input alone
    python fuzz/run.py segments -merge=1 -use_counters=0 -set_cover_merge=1 \
        fuzz/corpus/segments .fuzz/segments             keep in the corpus what takes a new way

A target is a module beside this file with a function `run`, and its name in `TARGETS`. All options
are libFuzzer's (https://llvm.org/docs/LibFuzzer.html).
"""

from __future__ import annotations

import shlex
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
"""For each target a folder of inputs, one of each kind that takes a way of its own."""
FOUND = HERE.parent / ".fuzz"
"""The same of what is found, where no other folder is named. Git ignores it."""

TARGETS = ("dialects", "wire", "segments", "spoken", "voices", "settings")
"""A test runs each for some seconds: relatives share one."""

MOST_CPU_S = 4.0
"""Of one input: all take milliseconds, but for a TOML that is made to be slow, of half a second."""

OPTIONS = (
    "-timeout=60",  # by the clock, for what hangs: the machine may be busy
    "-rss_limit_mb=1500",  # torch alone has 400
    "-max_len=2048",  # what is longer finds nothing else, more slowly
    "-detect_leaks=0",  # of C's allocations, of which Python has many at its end
)


def target(name: str) -> Callable[[bytes], None]:
    """The function of a target, with a bound to its cost."""
    run: Callable[[bytes], None] = import_module(f"fuzz.{name}").run

    def bounded(data: bytes) -> None:
        spent_s = []
        for _ in range(2):  # modules may be compiled in the first, or garbage be collected
            began = time.process_time()
            run(data)
            spent_s.append(time.process_time() - began)
            if spent_s[-1] <= MOST_CPU_S:
                return
        raise AssertionError(f"{len(data)} bytes took {min(spent_s):.1f} s of CPU")

    return bounded


def _with_corpus(name: str, options: Sequence[str]) -> Sequence[str]:
    """libFuzzer writes what it finds into the first of its folders, and only reads the others."""
    places = [Path(each) for each in options if not each.startswith("-")]
    is_merge = any(each.startswith("-merge") for each in options)
    if is_merge or any(place.is_file() for place in places):
        return options
    if not places:
        FOUND.joinpath(name).mkdir(parents=True, exist_ok=True)
        options = [*options, str(FOUND / name)]
    return [*options, str(CORPUS / name)]


def main(name: str, *options: str) -> None:
    """Fuzz a target with libFuzzer's options. Does not return."""
    import atheris  # noqa: PLC0415 - `target` is of use where there is none

    with atheris.instrument_imports(include=["pipeline", "stages"], enable_loader_override=False):
        run = target(name)
    again = shlex.join(
        [sys.executable, __file__, name]
    )  # by which libFuzzer starts itself to merge
    arguments = [again, *OPTIONS, *_with_corpus(name, options)]
    if name == "dialects":
        from fuzz.json_lines import changed  # noqa: PLC0415 - it is of use to libFuzzer alone

        atheris.Setup(arguments, run, custom_mutator=changed)
    else:
        atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"{__doc__}\nTargets: {', '.join(TARGETS)}")
    main(*sys.argv[1:])
