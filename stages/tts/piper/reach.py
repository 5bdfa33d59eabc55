"""How far around a frame a part of a network looks: the context that makes a chunk of it exact."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from stages.errors import UnusableModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import NodeProto


class Reach(NamedTuple):
    """What a frame of output is made of."""

    frames: int
    """The frames of input on either side that have a part in it."""
    hop: int
    """The values of output for each frame of input."""


class _Way(NamedTuple):
    """The way from the input to a tensor: what one of its values sees, in frames, and how many
    values there are for a frame."""

    before: Fraction
    behind: Fraction
    rate: Fraction


def reach_of(
    nodes: Sequence[NodeProto], begin: str, end: str, shapes: Mapping[str, Sequence[int]]
) -> Reach:
    """The reach from one tensor to another. Only convolutions are taken to look around; a voice
    where something else does so is found out when it is tried, see `voice.py`.

    Convolution i sees inputs ``i - pad`` to ``i - pad + d(k - 1)``; a transposed one with stride s
    is made from inputs ``(i + pad - d(k - 1)) / s`` to ``(i + pad) / s``."""
    ways = {begin: _Way(Fraction(0), Fraction(0), Fraction(1))}
    for node in nodes:
        before = [ways[name] for name in node.input if name in ways]
        if not before:
            continue
        rate = before[0].rate
        way = _Way(max(way.before for way in before), max(way.behind for way in before), rate)
        if node.op_type in {"Conv", "ConvTranspose"}:
            way = _through(way, node, shapes)
        ways.update(dict.fromkeys(node.output, way))
    last = ways[end]
    if last.rate.denominator != 1:
        raise UnusableModel(f"it makes {last.rate} values of a frame")
    hop = int(last.rate)
    # The last value of a frame lies nearly a frame behind its first.
    behind = last.behind + 1 - Fraction(1, hop)
    return Reach(max(math.floor(last.before), math.floor(behind)), hop)


def _through(way: _Way, node: NodeProto, shapes: Mapping[str, Sequence[int]]) -> _Way:
    numbers = {each.name: list(each.ints) for each in node.attribute if each.ints}
    named = {each.name: each.s for each in node.attribute if each.s}
    weight = shapes.get(node.input[1], ()) if len(node.input) > 1 else ()
    kernel = numbers.get("kernel_shape") or weight[2:]
    strides, dilations = numbers.get("strides", [1]), numbers.get("dilations", [1])
    pads = numbers.get("pads", [0, 0])
    if (
        not len(kernel) == len(strides) == len(dilations) == len(pads) / 2 == 1
        or named.get("auto_pad", b"NOTSET") != b"NOTSET"
    ):
        raise UnusableModel(f"its {node.op_type} {node.name!r} is not along the time alone")
    [stride], [dilation], pad = strides, dilations, pads[0]
    if min(kernel[0], stride, dilation) < 1 or min(pads) < 0:
        raise UnusableModel(f"its {node.op_type} {node.name!r} has a size that none can have")
    width = dilation * (kernel[0] - 1)
    if node.op_type == "Conv":
        before, behind, rate = Fraction(pad), Fraction(width - pad), way.rate / stride
    else:
        before, behind = Fraction(width - pad, stride), Fraction(pad, stride)
        rate = way.rate * stride
    return _Way(way.before + before / way.rate, way.behind + behind / way.rate, rate)
