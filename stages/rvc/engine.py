"""RVC as a converter: each listener's speech in the voice it chose, block by block.

A step converts one block of one listener on a CPU, where two at once take twice as long. On a GPU
it launches one of all who are due, in slots (`stages.rvc.slots`), and what these do not take is
converted as on a CPU. Who else is converted changes nothing on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import torch

from stages import rvc
from stages.audio.format import PIPELINE_RATE
from stages.engine import Engine
from stages.errors import ServerError, UnusableModel
from stages.file_sizes import megabytes, size_of
from stages.items import Style
from stages.neural import accelerator
from stages.neural.graphs import Graphs
from stages.rvc.conversion import Converter
from stages.rvc.intake import SegmentConversion, seed_of
from stages.rvc.network.content import ContentEncoder
from stages.rvc.network.content_file import read_content_model
from stages.rvc.pitch.choosing import PitchEstimators, why_not
from stages.rvc.pitch.rmvpe import RmvpePitch
from stages.rvc.slots.converter import SlotConversion, SlotConverter
from stages.rvc.slots.host_pitch import PitchThreads
from stages.rvc.slots.networks import BATCH_SIZES, SlotNetworks, kind_of
from stages.rvc.slots.plan import SteadyShape
from stages.rvc.streaming import ConversionStream
from stages.rvc.voices.cache import VoiceCache
from stages.rvc.voices.header import read_header
from stages.rvc.warm_up import WarmUp

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stages.audio.format import Samples
    from stages.engine import Launched, Request
    from stages.neural.fusing import CompileUse
    from stages.neural.graphs import GraphUse
    from stages.rvc.intake import Stream
    from stages.rvc.network.config import VoiceConfig
    from stages.rvc.slots.converter import SlotStep
    from stages.rvc.voices.library import VoiceEntry
    from stages.rvc.voices.loaded import LoadedVoice

log = structlog.stdlib.get_logger(__name__)

MAX_BATCH = BATCH_SIZES[-1]
"""Streams in a step on a GPU: what 320 ms of 200 listeners come to in seven steps."""


@dataclass(frozen=True, slots=True)
class RvcOptions:
    """Settings of the engine."""

    content: Path
    """``hubert_base.pt``, or a folder with a contentvec of transformers' format."""
    rmvpe: Path
    """``rmvpe.pt``, which need not be there."""
    device: torch.device
    dtype: torch.dtype
    block_frames: int = 32
    """A block's length in frames of 10 ms; even."""
    max_voice_bytes: int = 2_000_000_000
    """The bound for voices that are kept loaded, and for networks that find pitch."""
    in_rates: tuple[int, ...] = (32_000, PIPELINE_RATE)
    """The rates in hertz of the speech that comes, for slots: speech at others is converted
    without."""
    n_slots: int = 320
    """The most segments under way on a GPU: some more than there may be listeners, since a last
    block may be on its way when the next segment begins. Who finds none free waits for one."""
    graphs: GraphUse = "auto"
    """Whether functions run as graphs on a GPU."""
    torch_compile: CompileUse = "auto"
    """Whether chains of operators are compiled for a GPU."""


class RvcEngine(Engine):
    """All RVC voices there are."""

    name = rvc.ENGINE
    sample_rate = PIPELINE_RATE
    can_use_gpu = True

    _graphs: Graphs
    _converter: Converter
    _warmth: WarmUp

    def __init__(
        self,
        entries: Mapping[str, VoiceEntry],
        options: RvcOptions,
        *,
        graphs: Graphs | None = None,
    ) -> None:
        """`entries` may change while the engine runs. `graphs` are a test's, which has slots on any
        device."""
        self._entries = entries
        self._options = options
        self.runs_on = accelerator.describe(options.device, options.dtype)
        self._has_slots = graphs is not None or options.device.type == "cuda"
        self._given_graphs = graphs
        self._estimators = PitchEstimators(options.rmvpe, options.device, options.dtype)
        self._voices = VoiceCache(
            max_bytes=options.max_voice_bytes,
            device=options.device,
            dtype=options.dtype,
            estimators=self._estimators,
            prepare=self._prepare,
            warm_up=self._warm_up,
        )
        self._conversions: dict[Request, SegmentConversion] = {}
        self._pitch_threads = PitchThreads(self._wake)
        self._costs: Mapping[int, float] = {}
        self._networks: SlotNetworks | None = None
        self._slots: SlotConverter | None = None

    @property
    def reads(self) -> str:
        return f"RVC's content model, {megabytes(size_of([self._options.content]))}"

    @torch.inference_mode()
    def load(self) -> None:
        """Read and check the content model. Raises `UnusableModel`."""
        options = self._options
        model = read_content_model(options.content)
        self._graphs = self._given_graphs or Graphs(options.device, wanted=options.graphs)
        with self._graphs.stream():
            encoder = ContentEncoder(model, options.dtype, options.device)
            self._converter = Converter(encoder)
            self._warmth = WarmUp(self._converter, options.block_frames)
            if self._has_slots:
                self._networks = SlotNetworks(
                    encoder,
                    self._read_rmvpe(),
                    self._graphs,
                    SteadyShape.of(options.block_frames),
                    in_rates=options.in_rates,
                    n_slots=options.n_slots,
                    torch_compile=options.torch_compile,
                )
                self._slots = SlotConverter(self._networks, self._pitch_threads)

    @torch.inference_mode()
    def install(self) -> None:
        """On a GPU, load a voice of each kind, for which all is captured that such voices need: to
        do so while others speak holds them up. Each is tried; the first tells what it takes."""
        accelerator.use(self._options.device)
        if self._networks is None:
            return
        for name in self._first_of_each_kind():
            try:
                voice = self.load_voice(self, Style(name), ahead=True).result()
            except ServerError:
                continue  # the log says why it cannot be read
            costs = self._networks.costs(voice)
            self._costs = self._costs or costs
        self.release_voice(self)

    def _first_of_each_kind(self) -> list[str]:
        """A voice of each kind that there is, by its file's header."""
        first: dict[VoiceConfig, str] = {}
        for name, entry in [*self._entries.items()]:
            try:
                first.setdefault(kind_of(read_header(entry.path)), name)
            except (ServerError, OSError):
                continue  # whoever chooses it is told why
        return [*first.values()]

    def batch_costs(self) -> Mapping[int, float]:
        return self._costs

    def _read_rmvpe(self) -> RmvpePitch | None:
        """rmvpe, which is a part of a graph. None: it cannot be had; whoever wants it is told."""
        if why_not("rmvpe", self._options.rmvpe) is not None:
            return None
        try:
            estimator = self._estimators.choose("rmvpe")
        except UnusableModel as error:
            log.warning("rmvpe cannot be used", reason=str(error))
            return None
        return estimator if isinstance(estimator, RmvpePitch) else None

    def load_voice(
        self, user: Hashable, style: Style, *, ahead: bool = False
    ) -> Future[LoadedVoice]:
        return self._voices.load(user, self._entries[style.voice], style, ahead=ahead)

    def to_read(self, style: Style) -> int:
        return self._voices.to_read(self._entries[style.voice])

    def release_voice(self, user: Hashable) -> None:
        self._voices.release(user)

    def can_step(self, request: Request) -> bool:
        """There is speech to take, or enough to convert."""
        conversion = self._conversions.get(request)
        if conversion is None:
            return request.has_input or request.input_ended
        is_new = request.has_input or (request.input_ended and not conversion.has_ended)
        return is_new or conversion.due is not None

    def choose(self, requests: Sequence[Request]) -> Sequence[Request]:
        """The most urgent, and on a GPU those that can be converted with it: with a slot all others
        that have one, and without those whose next block is of its shape. Whose speech has ended
        with nothing to convert is finished with them: nothing would make it able once more."""
        if not self._has_slots and self._options.device.type == "cpu":
            return requests[:1]
        conversions = {request: self._take_in(request) for request in requests}
        silent = [request for request, own in conversions.items() if own.has_finished]
        due: dict[Request, Stream] = {}
        for request, conversion in conversions.items():
            if (stream := conversion.due) is not None:
                due[request] = stream
        if not due:
            return silent or requests[:1]
        first = next(iter(due.values()))
        if self._slots is not None and isinstance(first, SlotConversion):
            slotted = {own: request for request, own in due.items() if type(own) is type(first)}
            return [*(slotted[own] for own in self._slots.fitting([*slotted])), *silent]
        alone = {request: own for request, own in due.items() if isinstance(own, ConversionStream)}
        shape = next(iter(alone.values())).block.shape
        alike = [request for request, own in alone.items() if own.block.shape == shape]
        return [*alike[:MAX_BATCH], *silent]

    @torch.inference_mode()
    def step(self, batch: Sequence[Request]) -> Launched | None:
        """Convert a block of each, where enough of its speech is there, or let a device begin."""
        conversions = {request: self._take_in(request) for request in batch}
        due = {request: own.due for request, own in conversions.items()}
        alone = {request: own for request, own in due.items() if isinstance(own, ConversionStream)}
        if alone:
            with self._on_device():
                sounds = self._converter.advance([*alone.values()])
            for request, sound in zip(alone, sounds, strict=True):
                request.emit(sound)
        slotted = {own: request for request, own in due.items() if isinstance(own, SlotConversion)}
        launched = None
        if slotted and self._slots is not None:
            block = self._slots.launch([*slotted])
            for stream, error in block.failed:
                slotted[stream].fail(error)
                self.leave(slotted[stream])
            launched = _LaunchedBlock(block, slotted, self._hand_out)
        for request in conversions:
            self._finish(request)
        return launched

    def _hand_out(self, request: Request, sound: Samples) -> None:
        """Emit what was launched, unless the request has left meanwhile."""
        if request in self._conversions:
            request.emit(sound)
            self._finish(request)

    def _finish(self, request: Request) -> None:
        """Finish the request, if all its sound has been handed out."""
        conversion = self._conversions.get(request)
        if conversion is not None and conversion.has_finished:
            request.finish()
            self.leave(request)

    @property
    def is_lost(self) -> bool:
        return self._graphs.is_lost

    def leave(self, request: Request) -> None:
        """Forget the request's state."""
        conversion = self._conversions.pop(request, None)
        if conversion is not None and isinstance(conversion.stream, SlotConversion):
            conversion.stream.leave()

    def close(self) -> None:
        """Load no more voices."""
        self._voices.close()
        for request in [*self._conversions]:
            self.leave(request)
        self._pitch_threads.close()

    def _prepare(self, voice: LoadedVoice) -> LoadedVoice:
        return voice if self._networks is None else self._networks.prepare(voice)

    def _warm_up(self, voice: LoadedVoice) -> None:
        if self._networks is None or self._networks.speaking(voice) is None:
            self._warmth.meet(voice)

    def _wake(self) -> None:
        self.wake()  # looked up late: it is set when the engine is added

    def _on_device(self) -> AbstractContextManager[None]:
        return self._graphs.stream() if self._networks is None else self._networks.on_device()

    def _take_in(self, request: Request) -> SegmentConversion:
        """Give its stream the speech that has come."""
        conversion = self._conversions.setdefault(request, SegmentConversion())
        conversion.take_in(request, self._start)
        return conversion

    def _start(self, request: Request, in_rate: int) -> Stream:
        voice, seed = request.voice, seed_of(request.segment)
        stream = None if self._slots is None else self._slots.start(voice, in_rate, seed)
        return stream or ConversionStream(
            voice, in_rate=in_rate, block_frames=self._options.block_frames, seed=seed
        )


class _LaunchedBlock:
    """A step that a device is at work on: `Launched`."""

    def __init__(
        self,
        step: SlotStep,
        requests: Mapping[SlotConversion, Request],
        hand_out: Callable[[Request, Samples], None],
    ) -> None:
        self._step = step
        self._requests = requests
        self._hand_out = hand_out

    @property
    def is_done(self) -> bool:
        return self._step.is_done

    def finish(self) -> None:
        for stream, sound in self._step.finish():
            self._hand_out(self._requests[stream], sound)
