"""A Piper voice's network, loaded: its parts as sessions of onnxruntime.

A voice is a stranger's file. Its size, inputs and operators are looked at before anything of it is
run, and it is tried before it is used (`voice.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx
import onnxruntime

from stages.errors import SynthesisError, UnusableModel
from stages.tts.piper import graph
from stages.tts.piper.graph import take_apart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from stages.audio.format import Samples
    from stages.tts.piper.config import PiperConfig
    from stages.tts.piper.graph import Parts

MAX_BYTES = 500_000_000
"""The largest on the hub, of quality ``high`` and with 900 speakers, have 130 MB."""
OLDEST_OPSET = 9
_PROVIDERS = ["CPUExecutionProvider"]
_DOMAINS = {"", "ai.onnx"}
_FATAL = 4
"""onnxruntime's severity: what goes wrong it raises as well."""

FRAMES_PER_S = 20, 400
"""Voices have 62 to 94."""
MAX_REACH = 200
"""Frames. Voices have 43 or 45; with many more, most of the work would be context."""
MEMORY_FACTOR = 3
"""Bytes in memory for each in the file: onnxruntime lays out weights anew beside those that it was
given, and frees nothing of either. joe (63 MB) takes 184 MB."""


class TextReading(NamedTuple):
    """What the frontend makes of a text, for each of its ids."""

    w: npt.NDArray[np.float32]
    """The durations in frames, before they are rounded up; shape (ids,)."""
    means: npt.NDArray[np.float32]
    """Of the prior; shape (ids, channels)."""
    scales: npt.NDArray[np.float32]
    """Of its noise; likewise."""


class VoiceNetwork:
    """The sessions of one voice, for all its speakers. For one thread at a time."""

    def __init__(self, path: Path, config: PiperConfig, n_threads: int = 1) -> None:
        """Reads, checks and takes apart the file. Raises `UnusableModel`."""
        try:
            parts = take_apart(_read(path))
            _check(parts, config)
            self._frontend = _session(parts.frontend, n_threads)
            self._flow = _session(parts.flow, n_threads)
            self._decoder = _session(parts.decoder, n_threads)
        except UnusableModel as error:
            raise UnusableModel(f"{path.name} is no voice of Piper: {error}") from error
        except OSError as error:
            raise UnusableModel(f"{path} cannot be read: {error.strerror}") from error
        self.n_bytes: int = MEMORY_FACTOR * sum(part.ByteSize() for part in parts.models)
        self.hop = parts.decoder_reach.hop
        """Samples of a frame."""
        self.flow_reach = parts.flow_reach.frames
        self.decoder_reach = parts.decoder_reach.frames
        """The frames that either looks at on both sides of one."""
        self._has_speakers = parts.has_speakers
        self._has_duration_noise = parts.has_duration_noise
        inference = config.inference
        self._noise_scale = np.float32(inference.noise_scale)
        self._scales = np.array(
            [inference.noise_scale, inference.length_scale, inference.noise_w], np.float32
        )

    def read_text(
        self, ids: Sequence[int], speaker: int, draws: np.random.Generator
    ) -> TextReading:
        """Run the frontend."""
        inputs: dict[str, npt.NDArray[np.generic]] = {
            graph.IDS: np.array([ids], np.int64),
            graph.LENGTHS: np.array([len(ids)], np.int64),
            graph.SCALES: self._scales,
        }
        if self._has_duration_noise:
            noise = draws.standard_normal((len(ids), 2), np.float32)
            inputs[graph.DURATION_NOISE] = noise.T[None]
        w, means, log_scales = self._run(self._frontend, inputs, speaker)
        return TextReading(w.ravel(), means[0], np.exp(log_scales[0]) * self._noise_scale)

    def latent(self, prior: npt.NDArray[np.float32], speaker: int) -> npt.NDArray[np.float32]:
        """Run the flow; both of shape (frames, channels)."""
        n_frames = np.full((1, 1, 1), len(prior), np.float32)
        inputs = {graph.PRIOR: prior.T[None], graph.N_FRAMES: n_frames}
        [latent] = self._run(self._flow, inputs, speaker)
        made: npt.NDArray[np.float32] = latent[0].T
        return made

    def sound(self, latent: npt.NDArray[np.float32], speaker: int) -> Samples:
        """Run the decoder: `hop` samples for each frame, of full scale at most."""
        [sound] = self._run(self._decoder, {graph.LATENT: latent.T[None]}, speaker)
        made: Samples = sound.ravel()
        return made

    def _run(
        self,
        session: onnxruntime.InferenceSession,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        speaker: int,
    ) -> list[npt.NDArray[np.float32]]:
        if self._has_speakers:
            inputs = {**inputs, graph.SPEAKER: np.array([speaker], np.int64)}
        needed = {each.name for each in session.get_inputs()}
        made: list[npt.NDArray[np.float32]] = session.run(
            None, {name: inputs[name] for name in inputs if name in needed}
        )
        if not all(np.isfinite(each).all() for each in made):
            raise SynthesisError("the voice's numbers broke down on this text")
        return made


def _read(path: Path) -> onnx.ModelProto:
    """The file, checked as far as it can be without running it."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UnusableModel(f"{size / 1e6:.0f} MB are more than {MAX_BYTES / 1e6:.0f}")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # of protobuf, a package of onnx's and none of ours
        raise UnusableModel(f"it is damaged, or no ONNX ({error})") from error
    _refuse_what_is_strange(model)
    return model


def _refuse_what_is_strange(model: onnx.ModelProto) -> None:
    domains = {each.domain for each in [*model.opset_import, *model.graph.node]}
    if model.functions or domains - _DOMAINS:
        raise UnusableModel(f"it has operators of its own: {', '.join(domains - _DOMAINS)}")
    for each in model.opset_import:
        newest = onnx.defs.onnx_opset_version()
        if not OLDEST_OPSET <= each.version <= newest:
            raise UnusableModel(f"opset {each.version} is none of {OLDEST_OPSET} to {newest}")
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise UnusableModel(f"it has a {node.op_type}, and no voice has")
            tensors += [attribute.t, *attribute.tensors]
    if any(each.data_location == onnx.TensorProto.EXTERNAL for each in tensors):
        raise UnusableModel("its weights are in other files")


def _check(parts: Parts, config: PiperConfig) -> None:
    """Whether frames have a length and a context that can be streamed, and speakers are there."""
    hop, reach = parts.decoder_reach.hop, parts.flow_reach.frames + parts.decoder_reach.frames
    least, most = FRAMES_PER_S
    if parts.flow_reach.hop != 1 or not least <= config.audio.sample_rate / hop <= most:
        raise UnusableModel(f"{hop} samples are no frame at {config.audio.sample_rate} Hz")
    if reach > MAX_REACH:
        raise UnusableModel(f"each frame depends on {reach} on either side: it cannot be streamed")
    if config.num_speakers > 1 and not parts.has_speakers:
        raise UnusableModel(f"its config has {config.num_speakers} speakers, and it has one")


def _session(part: onnx.ModelProto, n_threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores of those who have work: with two threads they
    # make a first sound three times as late.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # No two texts have the same length, so what it plans for one length is of no use to the next,
    # and kept for ever; without an arena memory goes back between steps. Neither costs time.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL
    try:
        return onnxruntime.InferenceSession(part.SerializeToString(), options, _PROVIDERS)
    except Exception as error:  # it has a class of its own for each status
        raise UnusableModel(f"onnxruntime refuses it: {error}") from error
