"""Conversion in slots: which stream has which, and a block of many streams as what a device does at
once.

    speech ▶ graph A, for all of one content version and input rate
                 ▶ index, for those who have the same one
                      ▶ graph B, for those who have the same voice ▶ sound at 48 kHz
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch

from stages.errors import SynthesisError
from stages.rvc.pitch.estimator import BatchEstimator
from stages.rvc.slots.networks import BATCH_SIZES, size_for
from stages.rvc.slots.plan import SlotStream
from stages.rvc.slots.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stages.audio.format import Samples
    from stages.neural.transfers import Fetched
    from stages.rvc.network.config import Version
    from stages.rvc.slots.host_pitch import PitchThreads
    from stages.rvc.slots.networks import SlotNetworks
    from stages.rvc.slots.plan import PlannedBlock
    from stages.rvc.slots.speaking import Speaking
    from stages.rvc.voices.device_index import DeviceIndex
    from stages.rvc.voices.loaded import LoadedVoice

    FreeSlots: TypeAlias = list[int]
    Taken: TypeAlias = "tuple[SlotConversion, Row]"
    Failed: TypeAlias = "tuple[SlotConversion, SynthesisError]"


class SlotConversion:
    """A stream with what it is converted by, and the slot that it has."""

    def __init__(
        self,
        plan: SlotStream,
        voice: LoadedVoice,
        speaking: Speaking,
        slots: FreeSlots,
        *,
        in_rate: int,
        seed: int,
    ) -> None:
        self.plan = plan
        self.voice = voice
        self.speaking = speaking
        self.in_rate = in_rate
        self.slot: int | None = None
        """None: no block of it was launched yet."""
        self._slots = slots
        self._seed = seed
        self._is_launched = False
        self._has_left = False

    def push(self, samples: Samples) -> None:
        """Take more speech."""
        self.plan.push(samples)

    def end(self) -> None:
        """End the speech."""
        self.plan.end()

    @property
    def is_due(self) -> bool:
        """Whether the next block can be converted, in a slot, or cannot ever."""
        return (self.slot is not None or bool(self._slots)) and self.plan.is_due

    @property
    def has_finished(self) -> bool:
        """Whether all sound has been handed out."""
        return self.plan.is_planned and not self._is_launched

    def leave(self) -> None:
        """Let go of all that it has; of its slot, once no block of it is on its way."""
        self._has_left = True
        self.plan.close()
        self._give_back()

    def begin(self) -> int:
        """Its slot, from its first block on."""
        if self.slot is None:
            self.slot = self._slots.pop()
            self.speaking.begin(self.slot, self.voice.speaker)
        return self.slot

    def launched(self) -> None:
        """A block of it is on its way."""
        self._is_launched = True

    def landed(self) -> None:
        """It is no longer."""
        self._is_launched = False
        self._give_back()

    def _give_back(self) -> None:
        if self._has_left and not self._is_launched and self.slot is not None:
            self._slots.append(self.slot)
            self.slot = None

    def row(self, slot: int, planned: PlannedBlock) -> Row:
        """A block of it, as the device needs it."""
        settings = self.voice.settings
        has_index = self.voice.device_index is not None and settings.index_rate > 0
        return Row(slot, planned, settings, self.voice.semitones, self._seed, has_index)


class _VoicePart(NamedTuple):
    """What is fetched of a step: the sound of the streams of one voice."""

    streams: Sequence[SlotConversion]
    heard: Sequence[slice]
    sound: Fetched


class SlotStep:
    """A block of several streams, which the device is at work on."""

    def __init__(self, parts: Sequence[_VoicePart], failed: Sequence[Failed]) -> None:
        self.failed = failed
        """Streams that are not in it, and why."""
        self._parts = parts
        for part in parts:
            for stream in part.streams:
                stream.launched()

    @property
    def is_done(self) -> bool:
        """Never waits."""
        return all(part.sound.is_done for part in self._parts)

    def finish(self) -> list[tuple[SlotConversion, Samples]]:
        """The sound of each stream, at 48 kHz. Waits if it must."""
        made = []
        try:
            for streams, heard, fetched in self._parts:
                (sound,) = fetched.result()
                for stream, own, row in zip(streams, heard, sound.numpy(), strict=True):
                    # Copied: the row is a part of memory that all share.
                    made.append((stream, row[own].copy()))
        finally:
            for part in self._parts:
                for stream in part.streams:
                    stream.landed()
        return made


class SlotConverter:
    """The slots, and what is launched for those who have them. On the model thread."""

    def __init__(self, networks: SlotNetworks, threads: PitchThreads) -> None:
        self._networks = networks
        self._threads = threads
        self._free: FreeSlots = list(reversed(range(networks.n_slots)))

    def start(self, voice: LoadedVoice, in_rate: int, seed: int) -> SlotConversion | None:
        """A new stream; None: slots are not for this voice, as it is set, or not for this rate."""
        networks, config, settings = self._networks, voice.synthesizer.config, voice.settings
        speaking = networks.speaking(voice)
        listening = networks.listening(config.version, in_rate)
        if speaking is None or listening is None or settings.formant_shift:
            return None
        is_on_host = config.has_pitch and not isinstance(voice.pitch, BatchEstimator)
        if config.has_pitch and not is_on_host and not networks.has_rmvpe:
            return None  # its file came later than we did
        pitch = None
        if is_on_host:
            pitch = self._threads.start(
                voice.pitch,
                networks.blocks(voice, speaking),
                in_rate=in_rate,
                lag=speaking.lag,
                filter_radius=settings.filter_radius,
            )
        plan = SlotStream(
            networks.blocks(voice, speaking),
            in_rate=in_rate,
            lag=speaking.lag,
            needed=listening.needed,
            pitch=pitch,
        )
        return SlotConversion(plan, voice, speaking, self._free, in_rate=in_rate, seed=seed)

    def fitting(self, streams: Sequence[SlotConversion]) -> list[SlotConversion]:
        """Those that can go into one step, the first ones first: newcomers while there are slots,
        and as many as the largest batch has."""
        n_free, chosen = len(self._free), []
        for stream in streams:
            if stream.slot is None:
                if not n_free:
                    continue
                n_free -= 1
            chosen.append(stream)
        return chosen[: BATCH_SIZES[-1]]

    def launch(self, streams: Sequence[SlotConversion]) -> SlotStep:
        """Begin to convert the next block of each, which must be due and `fitting`."""
        failed: list[Failed] = []
        taken: list[Taken] = []
        with self._networks.on_device():
            for kind in dict.fromkeys(map(_speech_kind, streams)):
                alike = [stream for stream in streams if _speech_kind(stream) == kind]
                taken += self._listen(*kind, alike, failed)
            self._draw(taken)
            voices = dict.fromkeys(stream.voice.synthesizer for stream, _ in taken)
            parts = [
                self._speak([own for own in taken if own[0].voice.synthesizer is voice])
                for voice in voices
            ]
        return SlotStep(parts, failed)

    def _listen(
        self,
        version: Version,
        in_rate: int,
        streams: Sequence[SlotConversion],
        failed: list[Failed],
    ) -> list[Taken]:
        """Graph A for streams that it takes together; the block of each, but for those that have
        failed."""
        n_raw = self._networks.shape.max_in(in_rate)
        raw = np.zeros((size_for(len(streams)), n_raw), np.float32)
        taken: list[Taken] = []
        for stream in streams:
            try:
                planned = stream.plan.take(raw[len(taken)])
            except SynthesisError as error:
                failed.append((stream, error))
                continue
            taken.append((stream, stream.row(stream.begin(), planned)))
        if taken:
            self._networks.listen(version, in_rate, [row for _, row in taken], raw)
        return taken

    def _draw(self, taken: Sequence[Taken]) -> None:
        """Draw the features of those who have the same index to it, one index after the other."""
        by_index: dict[DeviceIndex, list[Taken]] = {}
        for stream, row in taken:
            if row.has_index and stream.voice.device_index is not None:
                by_index.setdefault(stream.voice.device_index, []).append((stream, row))
        for index, alike in by_index.items():
            memory = self._networks.memory(alike[0][0].voice.synthesizer.config.version)
            slots = self._sent([row.slot for _, row in alike], torch.int64)
            rates = self._sent([row.settings.index_rate for _, row in alike], torch.float32)
            blended = index.blend(memory.features.index_select(0, slots), rates)
            memory.drawn.index_copy_(0, slots, blended)

    def _sent(self, values: Sequence[float], dtype: torch.dtype) -> torch.Tensor:
        """Numbers on the device, without waiting for it."""
        device = self._networks.device
        made = torch.tensor(values, dtype=dtype, pin_memory=device.type == "cuda")
        return made.to(device, non_blocking=True)

    def _speak(self, taken: Sequence[Taken]) -> _VoicePart:
        """Graph B for streams of one voice."""
        streams, rows = [stream for stream, _ in taken], [row for _, row in taken]
        sound = self._networks.speak(streams[0].voice, streams[0].speaking, rows)
        return _VoicePart(streams, [row.planned.heard for row in rows], sound)


def _speech_kind(stream: SlotConversion) -> tuple[Version, int]:
    """What streams agree in that go through graph A together."""
    return stream.voice.synthesizer.config.version, stream.in_rate
