"""The program: ``python server.py`` serves, ``speak`` speaks to a file, ``fetch`` gets models, and
``check`` says what there is."""

from __future__ import annotations

import codecs
import contextlib
import gc
import logging
import math
import os
import signal
import sys
import wave
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog
import trio

from pipeline import checking, devices, fetching, local
from pipeline.access import KEYS_VARIABLE, Access, is_loopback, read_keys
from pipeline.engines import choose_engines
from pipeline.executor import open_executor
from pipeline.logs import open_log
from pipeline.metrics import Metrics
from pipeline.model_store import StoreError
from pipeline.option_sources import CommonSettings, load
from pipeline.progress import Progress
from pipeline.protocol import MAX_PENDING_BYTES
from pipeline.service import Service
from pipeline.settings import (
    CheckSettings,
    FetchSettings,
    ServeSettings,
    SpeakSettings,
    SpeechSettings,
)
from pipeline.tls import server_context
from stages.errors import CannotStart, ServerError
from stages.items import Style
from stages.rvc.pitch_only import PitchOnlyConverter
from stages.segmenter import SegmenterOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

log = structlog.stdlib.get_logger("server")

Options = TypeVar("Options", bound=SpeechSettings)
Common = TypeVar("Common", bound=CommonSettings)

COMMANDS = "serve", "speak", "fetch", "check"

STANDARD_STREAM = Path("-")

LOOPBACK, LOOPBACK_V6 = "127.0.0.1", "::1"

LAST_WORDS_S = 0.5
"""For telling those that are left when the grace is over. Who has not gone then is cut off."""

MAX_SEGMENT_BYTES = 32_764
"""Of TCP: the largest multiple of four that can be asked for. The kernel's own choice is odd on
loopback (65 483 bytes), and then a client's read may end inside a sample: the seed's Node client,
which lays a Float32Array over the first whole frame of its next read, throws. What timestamps (12
bytes) and an MTU of 1500 leave is a multiple of four anyway."""

READ_BYTES = 4096
"""At most, of standard input at a time; it is handed on as it arrives."""


def main(arguments: list[str]) -> None:
    """Run the command that the first word names; without one, serve."""
    ending: str | int | None = None  # Python 3.11.2 makes a group of what except* raises
    try:
        match arguments:
            case ["speak", *rest]:
                run(speak, load(SpeakSettings, rest))
            case ["fetch", *rest]:
                run_plain(fetching.fetch, load(FetchSettings, rest))
            case ["check", *rest]:
                run_plain(checking.check, load(CheckSettings, rest))
            case [word, *_] if word not in COMMANDS and not word.startswith("-"):
                known = f"{', '.join(COMMANDS[:-1])} and {COMMANDS[-1]}"
                sys.stderr.write(f"server.py: there is no command {word!r}; there are {known}\n")
                ending = 2  # as for every other error of usage
            case ["serve", *rest] | rest:
                run(serve, load(ServeSettings, rest))
    except* BrokenPipeError:
        ending = 128 + signal.SIGPIPE  # whoever read our sound has had enough
    except* (ServerError, StoreError, OSError) as failure:
        ending = f"server.py: {'; '.join(_messages(failure))}"
    except* KeyboardInterrupt:
        ending = 128 + signal.SIGINT  # as shells have it
    sys.exit(ending)


def run(command: Callable[[Options], Awaitable[None]], options: Options) -> None:
    """Run a command, with its log on standard error."""
    open_log(options.log_level, options.log_format, show_texts=options.log_text)
    trio.run(command, options)


def run_plain(command: Callable[[Common], None], options: Common) -> None:
    """Run one beside which nothing else goes on, so that it needs no loop."""
    open_log(options.log_level, options.log_format, show_texts=False)
    command(options)


async def serve(options: ServeSettings) -> None:
    """Answer the port until SIGTERM or SIGINT; then let what is being said come to its end.
    A second signal does not wait for that."""
    # Imported here: FastAPI takes a third of a second that `speak` need not wait for.
    from pipeline.http_api import create_app  # noqa: PLC0415
    from pipeline.http_server import HttpServer  # noqa: PLC0415
    from pipeline.listener import Listener  # noqa: PLC0415

    access = open_access(options)
    tls = server_context(options.tls_certificate, options.tls_key)
    log.info("%s", devices.in_words())
    idle_timeout_s = math.inf if options.idle_timeout_s is None else options.idle_timeout_s
    async with open_service(options, options.max_listeners, idle_timeout_s) as service:
        http = HttpServer(create_app(service, options.allowed_origins))
        # What start-up made stays. A full collection that walked it (80,000 objects of FastAPI's
        # and pydantic's) would stop the loop, and with it everybody's sound, for 50 to 90 ms.
        gc.collect()
        gc.freeze()
        listener = Listener(service, http, access, tls=tls, write_stall_s=options.write_stall_s)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            sockets = await _listen(options.host, options.port)
            async with trio.open_nursery() as nursery:
                await nursery.start(listener.serve, sockets)
                hosts = [socket.socket.getsockname()[0] for socket in sockets]
                port = sockets[0].socket.getsockname()[1]
                log.info("listening on port %d of %s", port, " and ".join(hosts))
                await anext(signals)
                log.info("closing; %d listeners may finish", service.n_listeners)
                service.closing.set()
                await _wait_idle(service, options.shutdown_grace_s, signals)
                service.grace_over.set()
                with trio.move_on_after(LAST_WORDS_S):
                    await service.wait_idle()
                listener.abort()
                nursery.cancel_scope.cancel()
    log.info("closed")


def open_access(options: ServeSettings) -> Access:
    """Who may use the port. Raises `CannotStart` where that would be everybody who reaches it,
    and nobody has said so."""
    keys = read_keys(options.api_keys_file, os.environ.get(KEYS_VARIABLE, ""))
    if not keys and not is_loopback(options.host) and not options.allow_no_key:
        msg = (
            f"{options.host} can be reached from other machines, and there is no key: give one by"
            f" --api-keys-file or {KEYS_VARIABLE}, or let everybody in by --allow-no-key"
        )
        raise CannotStart(msg)
    if keys and not is_loopback(options.host) and options.tls_certificate is None:
        log.warning("keys and text go over the network in the clear: there is no --tls-certificate")
    return Access(
        keys=keys,
        host=options.host,
        hosts=options.allowed_hosts,
        origins=options.allowed_origins,
    )


async def speak(options: SpeakSettings) -> None:
    """Speak the text, or standard input as it arrives, to a file or a pipe."""
    texts = _standard_input() if options.text is None else local.once(options.text)
    if options.text is None and sys.stdin.isatty():
        log.info("speaking what you type; end with Ctrl-D")
    to_pipe = options.output == STANDARD_STREAM
    encoding = options.encoding if to_pipe else "s16le"  # what WAV has in every player
    bytes_per_s = options.sample_rate * (4 if encoding == "f32le" else 2)
    with ExitStack() as stack:
        async with open_service(options, 1, math.inf) as service:
            write = _to_pipe if to_pipe else stack.enter_context(_wav_file(options))
            # What is typed stands on the terminal already, and is not to be written over.
            is_typed = options.text is None and sys.stdin.isatty()
            progress = stack.enter_context(
                Progress(is_shown=log.isEnabledFor(logging.INFO) and not is_typed)
            )

            async def play(pcm: bytes) -> None:
                # In a thread, since a pipe may block for as long as a player likes.
                await trio.to_thread.run_sync(write, pcm, abandon_on_cancel=True)
                progress.add(len(pcm) / bytes_per_s)

            await local.speak(
                service, texts, play, {"encoding": encoding, "sample_rate": options.sample_rate}
            )
    if not to_pipe:
        log.info("wrote %s: %s", options.output, progress)


@asynccontextmanager
async def open_service(
    options: SpeechSettings, max_listeners: int, idle_timeout_s: float
) -> AsyncIterator[Service]:
    """The model thread with its engines installed, and what all listeners share."""
    engines = choose_engines(options, max_listeners)
    for remark in engines.remarks:
        log.info("%s", remark)
    metrics = Metrics()
    async with open_executor(metrics) as executor:
        service = Service(
            executor=executor,
            synthesizers=engines.synthesizers,
            converter=PitchOnlyConverter(),
            voice_converters=engines.voice_converters,
            voices=engines.voices,
            style=Style(engines.default_voice, options.pitch_shift, options.segmentation),
            segmenter_options=SegmenterOptions(
                boundary_wait_s=options.boundary_wait_ms / 1000,
                hold_wait_s=options.hold_wait_ms / 1000,
                skip_markdown=options.skip_markdown,
                skip_emoji=options.skip_emoji,
                skip_thinking=options.skip_thinking,
            ),
            max_listeners=max_listeners,
            max_pending_bytes=MAX_PENDING_BYTES,
            idle_timeout_s=idle_timeout_s,
            metrics=metrics,
        )
        await service.install_engines()
        speaks, _ = service.casting(service.style)
        log.info("%s speaks, on %s, as %s", speaks.name, speaks.runs_on, engines.default_voice)
        yield service


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        msg = f"cannot listen on port {port} of {host}: {error.strerror}"
        raise OSError(msg) from error
    if host == LOOPBACK:
        # Where there is IPv6, "localhost" is ::1 first, and Node 18 tries no other address.
        port = listeners[0].socket.getsockname()[1]
        with contextlib.suppress(OSError):
            listeners += await trio.open_tcp_listeners(port, host=LOOPBACK_V6)
    for listener in listeners:
        listener.socket.setsockopt(
            trio.socket.IPPROTO_TCP, trio.socket.TCP_MAXSEG, MAX_SEGMENT_BYTES
        )
    return listeners


async def _wait_idle(service: Service, grace_s: float, signals: AsyncIterator[int]) -> None:
    """Until nobody is being served, the grace is over, or there is one more signal."""
    async with trio.open_nursery() as nursery:

        async def give_up_at_signal() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel()

        nursery.start_soon(give_up_at_signal)
        with trio.move_on_after(grace_s):
            await service.wait_idle()
        nursery.cancel_scope.cancel()


async def _standard_input() -> AsyncIterator[str]:
    """Text as it arrives; what is not UTF-8 becomes replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    standard_input = sys.stdin.fileno()
    while data := await trio.to_thread.run_sync(
        os.read, standard_input, READ_BYTES, abandon_on_cancel=True
    ):
        if text := decoder.decode(data):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def _to_pipe(data: bytes) -> None:
    """Past Python's buffer: nothing waits there for what is said next, and a thread that is
    left behind in here does not hold its lock when the program ends."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(sys.stdout.fileno(), rest) :]


@contextmanager
def _wav_file(options: SpeakSettings) -> Iterator[Callable[[bytes], object]]:
    # Opened here: where it cannot be opened, wave leaves half an object, which complains.
    with options.output.open("wb") as file, wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(options.sample_rate)
        yield wav.writeframes


def _messages(group: BaseExceptionGroup[BaseException]) -> Iterator[str]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _messages(error)
        elif isinstance(error, OSError) and error.strerror and error.filename is not None:
            yield f"{error.filename}: {error.strerror}"  # without the number, which tells nobody
        else:
            yield str(error)


if __name__ == "__main__":
    main(sys.argv[1:])
