"""A voice is a stranger's file: what is no voice is refused with the reason, and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from stages.errors import UnusableModel
from stages.tts.piper import network
from stages.tts.piper.voice import read_voice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from onnx import GraphProto, ModelProto, NodeProto

    from stages.tts.piper.voice_file import PiperVoiceFile


def damaged(
    file: PiperVoiceFile, folder: Path, change: Callable[[ModelProto], None]
) -> PiperVoiceFile:
    """A copy of a voice, changed."""
    model = onnx.load(file.model)
    change(model)
    path = folder / "voice.onnx"
    onnx.save(model, path)
    return type(file)(file.name, path, file.config)


def node_of(graph: GraphProto, kind: str, place: int = 0) -> NodeProto:
    nodes: list[NodeProto] = [node for node in graph.node if node.op_type == kind]
    return nodes[place]


def without_input(model: ModelProto) -> None:
    model.graph.input[1].name = "lengths"
    for node in model.graph.node:
        node.input[:] = ["lengths" if name == "input_lengths" else name for name in node.input]


def with_own_operator(model: ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    node_of(model.graph, "Tanh").domain = "com.example"


def with_a_loop(model: ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", [], ["endless"], body=body))


def with_weights_elsewhere(model: ModelProto) -> None:
    weight = model.graph.initializer[3]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")


def of_a_coming_opset(model: ModelProto) -> None:
    model.opset_import[0].version = 99


def without_rounding(model: ModelProto) -> None:
    node_of(model.graph, "Ceil").op_type = "Floor"


def without_noise(model: ModelProto) -> None:
    node_of(model.graph, "RandomNormalLike", 1).op_type = "Identity"


def without_mean(model: ModelProto) -> None:
    noise = node_of(model.graph, "RandomNormalLike", 1)
    [scaled] = [node for node in model.graph.node if noise.output[0] in node.input]
    scaled.op_type = "Sub"


def without_upsampling(model: ModelProto) -> None:
    """A vocoder of another kind."""
    for node in model.graph.node:
        if node.op_type == "ConvTranspose":
            node.op_type = "Conv"


def with_another_hop(model: ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "ConvTranspose" and attribute.name == "strides":
                attribute.ints[:] = [1]


def with_a_norm_over_time(model: ModelProto) -> None:
    """All of a text decides about each sample, so no chunk of it can be right."""
    last = node_of(model.graph, "Tanh", -1)
    mean = helper.make_node("ReduceMax", [last.input[0]], ["loudest"], keepdims=1)
    loud = helper.make_node("Div", [last.input[0], "loudest"], ["normalised"])
    place = list(model.graph.node).index(last)
    last.input[0] = "normalised"
    model.graph.node.insert(place, loud)
    model.graph.node.insert(place, mean)


def with_infinite_weights(model: ModelProto) -> None:
    for weight in model.graph.initializer:
        if weight.name.endswith("conv_post.weight"):
            values = np.full_like(numpy_helper.to_array(weight), np.inf)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def with_few_phonemes(model: ModelProto) -> None:
    """The config has 151."""
    [embedding] = [node.input[0] for node in model.graph.node if "input" in node.input[1:]]
    for weight in model.graph.initializer:
        if weight.name == embedding:
            few = numpy_helper.to_array(weight)[:20]
            weight.CopyFrom(numpy_helper.from_array(few.copy(), weight.name))


def with_a_wide_kernel(model: ModelProto) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Conv" and attribute.name in {"dilations", "pads"}:
                attribute.ints[:] = [500 * number for number in attribute.ints]


def with_a_kernel_that_stands_still(model: ModelProto) -> None:
    longer = node_of(model.graph, "ConvTranspose")
    [strides] = [each for each in longer.attribute if each.name == "strides"]
    strides.ints[:] = [0]


def with_two_strides(model: ModelProto) -> None:
    longer = node_of(model.graph, "ConvTranspose")
    [strides] = [each for each in longer.attribute if each.name == "strides"]
    strides.ints[:] = [2, 2]


def with_a_circle(model: ModelProto) -> None:
    """The noise of the frames goes round and round: the search for its end did, too."""
    noise = node_of(model.graph, "RandomNormalLike", -1)
    scaled = helper.make_node("Mul", [noise.output[0], "round"], ["round"])
    for node in model.graph.node:
        node.input[:] = ["round" if name == noise.output[0] else name for name in node.input]
    model.graph.node.insert(list(model.graph.node).index(noise) + 1, scaled)


def with_a_tensor_made_twice(model: ModelProto) -> None:
    model.graph.node.append(model.graph.node[0])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_input, "no input input_lengths"),
        (with_own_operator, "operators of its own: com.example"),
        (with_a_loop, "it has a Loop"),
        (with_weights_elsewhere, "its weights are in other files"),
        (of_a_coming_opset, "opset 99"),
        (without_rounding, "lacks durations"),
        (without_noise, "lacks noise that is drawn for each frame"),
        (without_mean, "goes into a Sub"),
        (without_upsampling, "lacks z"),
        (with_another_hop, "1 samples are no frame"),
        (with_a_norm_over_time, "more of its text than it can be streamed with"),
        (with_infinite_weights, "numbers broke down"),
        (with_few_phonemes, "does not work as a Piper voice"),
        (with_a_wide_kernel, "it cannot be streamed"),
        (with_a_kernel_that_stands_still, "has a size that none can have"),
        (with_two_strides, "is not along the time alone"),
        (with_a_circle, "uses round, which is not made before it"),
        (with_a_tensor_made_twice, "once more"),
    ],
)
def test_what_is_no_voice_is_refused_with_the_reason(
    voices: dict[str, PiperVoiceFile],
    tmp_path: Path,
    change: Callable[[ModelProto], None],
    reason: str,
) -> None:
    file = damaged(voices["plain"], tmp_path, change)
    with pytest.raises(UnusableModel, match=reason) as refused:
        read_voice(file, 1)
    assert "voice.onnx" in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"PK\3\4 a zip", b"\x08\x08" * 1000])
def test_what_is_no_onnx_is_refused(
    voices: dict[str, PiperVoiceFile], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "voice.onnx"
    path.write_bytes(content)
    with pytest.raises(UnusableModel, match=r"voice\.onnx"):
        read_voice(type(voices["plain"])("voice", path, voices["plain"].config), 1)


def test_a_file_that_is_missing_or_too_large_is_refused_unread(
    voices: dict[str, PiperVoiceFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = voices["plain"]
    with pytest.raises(UnusableModel, match="cannot be read"):
        read_voice(type(file)("voice", tmp_path / "none.onnx", file.config), 1)
    monkeypatch.setattr(network, "MAX_BYTES", 1000)
    with pytest.raises(UnusableModel, match="MB are more than"):
        read_voice(file, 1)


def test_speakers_that_only_the_config_has_are_refused(
    voices: dict[str, PiperVoiceFile],
) -> None:
    file = voices["plain"]
    config = file.config.model_copy(update={"num_speakers": 3})
    with pytest.raises(UnusableModel, match="3 speakers"):
        read_voice(type(file)("voice", file.model, config), 1)


def test_a_second_output_does_no_harm(voices: dict[str, PiperVoiceFile], tmp_path: Path) -> None:
    """piper1-gpl adds one for durations to voices that are to tell them."""

    def with_durations(model: ModelProto) -> None:
        made = node_of(model.graph, "Ceil").output[0]
        kind = onnx.TensorProto.FLOAT
        model.graph.output.append(helper.make_tensor_value_info(made, kind, None))

    read_voice(damaged(voices["plain"], tmp_path, with_durations), 1)
