"""The two graphs of a block for all voices that have slots: what they are captured from, and what
they keep of each slot.

Voices of one architecture share graph B, those of one content version graph A. Both are captured
for all batch sizes when the first such voice is loaded: on the thread that loads it, one after the
other, and in between the model thread goes on.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import structlog
import torch

from stages.conversion_settings import ConversionSettings
from stages.file_sizes import megabytes
from stages.rvc.noise import Noise
from stages.rvc.slots.listening import Listening, ListenRows
from stages.rvc.slots.plan import SlotStream
from stages.rvc.slots.rows import Row, RowMaker
from stages.rvc.slots.speaking import Speaking, SpeakRows
from stages.rvc.voices.device_index import DeviceIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import Graphs
    from stages.neural.transfers import Fetched
    from stages.rvc.network.config import Version, VoiceConfig
    from stages.rvc.network.content import ContentEncoder
    from stages.rvc.pitch.rmvpe import RmvpePitch
    from stages.rvc.schedule import Block
    from stages.rvc.slots.listening import SpeechMemory
    from stages.rvc.slots.plan import SteadyShape
    from stages.rvc.voices.loaded import LoadedVoice

    Function: TypeAlias = Callable[..., tuple[torch.Tensor, ...]]
    Raw: TypeAlias = NDArray[np.float32]

log = structlog.stdlib.get_logger(__name__)

BATCH_SIZES = (1, 4, 8, 16, 32)
"""Rows of a graph: those that are not used cost as much as those that are. With 64 the decoder took
seven times as long as with 32 (H200, 2026-11-27)."""
TIMED_RUNS = 3
"""Of each size, at start: a device that has rested is slow at first."""
MAX_ARCHITECTURES = 6
"""Kinds of voices that have slots: RVC has trained six. Each takes memory for all slots, and some
seconds for its captures; voices of one kind more are converted without slots."""


class SlotNetworks:
    """The graphs and the slots of one device. All that is done there is done within `on_device`."""

    def __init__(
        self,
        encoder: ContentEncoder,
        rmvpe: RmvpePitch | None,
        graphs: Graphs,
        shape: SteadyShape,
        *,
        in_rates: Sequence[int],
        n_slots: int,
        torch_compile: CompileUse = "auto",
    ) -> None:
        """`in_rates`: hertz that speech may come at. `n_slots`: besides a spare one, the last, of
        rows that are not used."""
        self.device = encoder.device
        self.shape = shape
        self.n_slots = n_slots
        self.has_rmvpe = rmvpe is not None
        self._encoder = encoder
        self._rmvpe = rmvpe
        self._graphs = graphs
        self._in_rates = in_rates
        self._rows = RowMaker(shape, spare=n_slots)
        self._torch_compile = torch_compile
        self._noises = Noise(0, self.device), Noise(1, self.device)
        self._listening: dict[tuple[Version, int], Listening] = {}
        self._speaking: dict[VoiceConfig, Speaking | None] = {}
        self._lock = threading.Lock()

    @contextmanager
    def on_device(self) -> Iterator[None]:
        """On the engine's stream, alone: what another thread launched there while something is
        captured would become a part of it."""
        with self._lock, self._graphs.stream():
            yield

    # On the thread that loads voices.

    def prepare(self, voice: LoadedVoice) -> LoadedVoice:
        """The voice with its index on the device, once all has been captured that it can need; or
        as it is, if it cannot have slots."""
        kind = _kind(voice)
        if kind not in self._speaking:
            if len(self._speaking) == MAX_ARCHITECTURES:
                log.warning(
                    "RVC converts a voice without slots, more slowly: those are for so many kinds",
                    kinds=MAX_ARCHITECTURES,
                )
                return voice
            try:
                self._speaking[kind] = self._speaking_for(voice)
            except Exception:  # whatever a library or a driver raises: it works without
                log.exception("RVC converts voices of a kind without slots, more slowly")
                self._speaking[kind] = None
        if voice.index is None or self._speaking[kind] is None:
            return voice
        # Not on the engine's stream, where speech would wait for some hundred megabytes.
        index = DeviceIndex(voice.index, self.device)
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        return replace(voice, device_index=index)

    def _speaking_for(self, voice: LoadedVoice) -> Speaking:
        """Graph B for voices of this kind, and graph A for those of its version. Raises ValueError
        where they need more context than a block has room for."""
        began = time.perf_counter()
        config = voice.synthesizer.config
        self._listen_to(config.version)
        with self.on_device():
            heard = self.memory(config.version)
            speaking = Speaking(
                config,
                heard,
                self.n_slots,
                self.shape,
                self._noises,
                torch_compile=self._torch_compile,
            )
            speaking.use(voice.synthesizer)
        self.blocks(voice, speaking)
        row = self._row_of_silence(self._in_rates[0])
        for size in self._sizes_to_meet:
            rows = self._rows.speak([row], size, config)
            self._meet(("speak", _kind(voice), size), _speak(speaking), *rows)
        log.info(
            "RVC has slots for %s at %d Hz, after %.1f s",
            config.version,
            config.sample_rate,
            time.perf_counter() - began,
            slots=megabytes(speaking.n_bytes),
            graphs=megabytes(self._graphs.n_bytes),
        )
        return speaking

    def _listen_to(self, version: Version) -> None:
        """Graph A for voices of this version."""
        memory = None
        for in_rate in self._in_rates:
            if (version, in_rate) in self._listening:
                return  # all of them are
            with self.on_device():
                listening = Listening(
                    self._encoder,
                    self._rmvpe,
                    self.n_slots,
                    self.shape,
                    in_rate,
                    version=version,
                    memory=memory,
                )
            memory = listening.memory
            row = self._row_of_silence(in_rate)
            for size in self._sizes_to_meet:
                raw = np.zeros((size, self.shape.max_in(in_rate)), np.float32)
                rows = self._rows.listen([row], raw)
                self._meet(("listen", version, in_rate, size), _listen(listening), *rows)
            self._listening[version, in_rate] = listening

    @property
    def _sizes_to_meet(self) -> Sequence[int]:
        """Batch sizes that are run before anybody listens, the largest first: the others find room
        in the memory of its graph. A CPU has nothing to set up."""
        return BATCH_SIZES[::-1] if self._graphs.in_use or self.device.type != "cpu" else ()

    def _meet(self, key: Hashable, function: Function, *rows: torch.Tensor) -> None:
        with self._graphs.stream():  # not alone: others go on while it is compiled
            function(*(given.to(self.device) for given in rows))
        with self.on_device():
            self._graphs.run(key, function, *rows)

    def _row_of_silence(self, in_rate: int) -> Row:
        """A first block, whose numbers are as good as any, in the spare slot."""
        plan = SlotStream(self.shape.blocks(0, 0), in_rate=in_rate, lag=0, needed=lambda n: n)
        plan.push(np.zeros(in_rate, np.float32))
        raw = np.empty(self.shape.max_in(in_rate), np.float32)
        return Row(self.n_slots, plan.take(raw), ConversionSettings(), 0.0, 0, has_index=False)

    # On the model thread.

    def speaking(self, voice: LoadedVoice) -> Speaking | None:
        """Graph B for this voice; None: it has no slots."""
        return self._speaking.get(_kind(voice))

    def listening(self, version: Version, in_rate: int) -> Listening | None:
        """Graph A; None: there is none for this rate."""
        return self._listening.get((version, in_rate))

    def memory(self, version: Version) -> SpeechMemory:
        """What graph A leaves for voices of this version."""
        return self._listening[version, self._in_rates[0]].memory

    def blocks(self, voice: LoadedVoice, speaking: Speaking) -> Iterator[Block]:
        """The blocks of a stream with this voice."""
        return self.shape.blocks(voice.synthesizer.decoder.left_frames, speaking.lag)

    def listen(self, version: Version, in_rate: int, rows: Sequence[Row], raw: Raw) -> None:
        """Run graph A for these rows, whose new speech is in `raw` (size, samples)."""
        listening = self._listening[version, in_rate]
        listen_rows = self._rows.listen(rows, raw)
        self._graphs.run(("listen", version, in_rate, len(raw)), _listen(listening), *listen_rows)

    def speak(self, voice: LoadedVoice, speaking: Speaking, rows: Sequence[Row]) -> Fetched:
        """Run graph B for these rows, as this voice; their sound, (n, samples)."""
        speaking.use(voice.synthesizer)
        size = size_for(len(rows))
        speak_rows = self._rows.speak(rows, size, voice.synthesizer.config)
        (sound,) = self._graphs.run(("speak", _kind(voice), size), _speak(speaking), *speak_rows)
        return self._graphs.fetch(sound[: len(rows)])

    def costs(self, voice: LoadedVoice) -> dict[int, float]:
        """See `stages.engine.Engine.batch_costs`: with this voice, by batch size. Empty: it has no
        slots, or they are on a CPU, where batches are no cheaper.

        It also does all that is done without a graph: on each thread that multiplies matrices the
        first product takes a tenth of a second, to set up cuBLAS."""
        speaking = self.speaking(voice)
        if speaking is None:
            return {}
        version, in_rate = voice.synthesizer.config.version, self._in_rates[0]
        costs = {}
        with self.on_device():
            speaking.begin(self.n_slots, voice.speaker)
        for size in sorted(self._sizes_to_meet):
            rows = [self._row_of_silence(in_rate)] * size
            raw = np.zeros((size, self.shape.max_in(in_rate)), np.float32)
            for _ in range(TIMED_RUNS):  # of which the last counts
                began = time.perf_counter()
                with self.on_device():
                    self.listen(version, in_rate, rows, raw)
                    self._search(voice, size)
                    self.speak(voice, speaking, rows).result()
                costs[size] = (time.perf_counter() - began) / (self.shape.block / 100)
        return costs

    def _search(self, voice: LoadedVoice, size: int) -> None:
        """Search the voice's index, if it has any, for nobody."""
        if voice.device_index is not None:
            features = self.memory(voice.synthesizer.config.version).features[-1:]
            rates = torch.ones(size, device=self.device)
            voice.device_index.blend(features.expand(size, -1, -1), rates)


def size_for(n_rows: int) -> int:
    """The batch size for so many rows."""
    return next(size for size in BATCH_SIZES if size >= n_rows)


def kind_of(config: VoiceConfig) -> VoiceConfig:
    """What voices agree in that share captures."""
    return replace(config, n_speakers=1)


def _kind(voice: LoadedVoice) -> VoiceConfig:
    return kind_of(voice.synthesizer.config)


def _listen(listening: Listening) -> Function:
    """Graph A as a function of tensors."""

    def run(*rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        listening(ListenRows(*rows))
        return ()

    return run


def _speak(speaking: Speaking) -> Function:
    """Graph B as a function of tensors."""

    def run(*rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (speaking(SpeakRows(*rows)),)

    return run
