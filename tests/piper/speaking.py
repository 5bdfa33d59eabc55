"""Speaking with Piper's engine as the executor does, without a thread; and the whole graph as
another reading of what it should say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime

from stages.tts.piper.engine import PiperEngine
from tests.engine_driver import DrivenRequest, make_segment, run
from tests.server_process import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from stages.audio.format import Samples
    from stages.tts.piper.voice_file import PiperVoiceFile

SENTENCE = "The quick brown fox jumps over the lazy dogs of the village."


def open_engine(voices: Sequence[PiperVoiceFile]) -> PiperEngine:
    """An engine that is ready."""
    engine = PiperEngine(voices)
    engine.load()
    engine.install()
    return engine


def request_for(
    engine: PiperEngine, text: str, voice: str, seed: int | None = 0, speed: float = 1.0
) -> DrivenRequest:
    """A request to say this, its voice loaded."""
    segment = make_segment(text, voice, speed=speed)
    segment = replace(segment, style=replace(segment.style, seed=seed))
    request = DrivenRequest(segment)
    request.voice = engine.load_voice(request, segment.style).result(PATIENCE_S)
    return request


def say(
    engine: PiperEngine, text: str, voice: str, seed: int | None = 0, speed: float = 1.0
) -> DrivenRequest:
    """What becomes of a text when nobody else speaks."""
    request = run(engine, request_for(engine, text, voice, seed, speed))
    engine.release_voice(request)
    assert request.error is None
    return request


def run_all(engine: PiperEngine, requests: Sequence[DrivenRequest]) -> None:
    """Step until all are through, the one who has heard least first."""
    live = list(requests)
    while live:
        live.sort(key=lambda request: len(request.sound))
        engine.step(engine.choose(live))
        for request in [each for each in live if each.finished or each.error]:
            live.remove(request)
            engine.leave(request)


def whole_graph(
    file: PiperVoiceFile,
    ids: Sequence[int],
    noises: Sequence[npt.NDArray[np.float32]],
    *,
    speaker: int | None = None,
    length_scale: float | None = None,
) -> Samples:
    """What the exported graph makes of ids in one run, with this noise instead of its own: for each
    of its nodes that draw some, in their order."""
    model = onnx.load(file.model)
    drawing = [node for node in model.graph.node if node.op_type == "RandomNormalLike"]
    fed = {}
    for node, noise in zip(drawing, noises, strict=True):
        model.graph.node.remove(node)
        taken = onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
        model.graph.input.append(taken)
        fed[node.output[0]] = noise
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inference = file.config.inference
    scales = [inference.noise_scale, length_scale or inference.length_scale, inference.noise_w]
    fed["input"] = np.array([ids], np.int64)
    fed["input_lengths"] = np.array([len(ids)], np.int64)
    fed["scales"] = np.array(scales, np.float32)
    if speaker is not None:
        fed["sid"] = np.array([speaker], np.int64)
    sound: Samples = session.run(None, fed)[0].ravel()
    return sound
