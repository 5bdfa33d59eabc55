"""Speaks to this machine's loudspeakers; Ctrl-C interrupts, and tells what was heard.

pip install websockets sounddevice          (on Linux also the system's libportaudio2)
python examples/python/play.py "Hello there! How are you?"
ollama run llama3.2 "Tell me a story." | python examples/python/play.py
"""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

import voice_reply
from voice_reply import Cancelled, Heard, Problem
from with_threads import Speaker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SAMPLE_RATE = 48_000


def tokens(text: str | None) -> Iterator[str]:
    """The text, or standard input as it comes."""
    if text is not None:
        yield text
        return
    while piece := sys.stdin.readline(256):
        yield piece


def main() -> None:
    """Speak a text, or standard input, to the sound device."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("text", nargs="?", help="without it: standard input")
    parser.add_argument("--url", default=voice_reply.URL)
    parser.add_argument("--voice")
    parser.add_argument("--key")
    parser.add_argument("--device", help="a number or part of a name; python -m sounddevice lists")
    options = parser.parse_args()
    try:
        import sounddevice  # noqa: PLC0415 - so that the hint below can be given
    except (ImportError, OSError) as error:  # the second where PortAudio itself is missing
        sys.exit(
            f"there is no way to the loudspeakers ({error}): pip install sounddevice, and on Linux"
            " apt install libportaudio2; or use with_threads.py, which writes the sound"
        )
    device = options.device
    config = {"voice": options.voice} if options.voice else {}
    url = voice_reply.url_of(options.url, sample_rate=SAMPLE_RATE, **config)
    n_written, is_interrupted = 0, False

    with sounddevice.RawOutputStream(
        samplerate=SAMPLE_RATE,
        channels=1,
        dtype="int16",
        device=int(device) if device and device.isdigit() else device,
    ) as output:

        def hear(item: Heard) -> None:
            nonlocal n_written
            match item:
                case bytes() if not is_interrupted:
                    output.write(item)  # waits until there is room
                    n_written += len(item) // 2
                case Problem():
                    print(item.error, file=sys.stderr)
                case Cancelled():
                    print("heard:", item.text_spoken)

        speaker = Speaker(url, hear, options.key)

        def interrupt(signum: int, frame: FrameType | None) -> None:
            nonlocal is_interrupted
            del signum, frame
            is_interrupted = True
            waits_ms = 1000 * output.latency
            speaker.interrupt(max(0, 1000 * n_written / SAMPLE_RATE - waits_ms))
            output.abort()

        signal.signal(signal.SIGINT, interrupt)
        speaker.speak(tokens(options.text))


if __name__ == "__main__":
    main()
