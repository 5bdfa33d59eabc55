"""A Piper voice's network, taken apart into what runs once a text and what runs chunk by chunk.

The export is one graph, VITS' `infer` (Kim et al., 2021; piper's ``vits/models.py``)::

    phoneme ids ─▶ text encoder ─▶ m, logs ─────────────┐
                        │                               ▼
    noise ─────▶ duration predictor ─▶ w ─▶ ceil ─▶ m and logs, each for so many frames
                                                        │
    noise ───────────────────────▶ z_p = m + noise exp(logs) scale ─▶ flow ─▶ z ─▶ decoder ─▶ sound

It is cut at w, m, logs, z_p and z. What lies between, counting frames and drawing noise, we do
ourselves. Exporters name the inner tensors as they like, so these are found by what is around them:
only the inputs have names that piper's own runtime relies on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from onnx import ModelProto, NodeProto, TensorProto, helper

from stages.errors import UnusableModel
from stages.tts.piper.reach import Reach, reach_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from onnx import GraphProto

T = TypeVar("T")

IDS, LENGTHS, SCALES, SPEAKER = "input", "input_lengths", "scales", "sid"
"""The inputs of an export."""
DURATION_NOISE, DURATIONS, MEANS, LOG_SCALES = "cut_noise", "cut_w", "cut_m", "cut_logs"
N_FRAMES, PRIOR, LATENT, SOUND = "cut_frames", "cut_z_p", "cut_z", "cut_sound"
"""The names of the tensors at which it is cut, in the parts."""

NOISE = "RandomNormalLike"


class Parts(NamedTuple):
    """The parts of a voice's graph."""

    frontend: ModelProto
    """Phoneme ids to durations (in frames, not rounded), means and logarithms of scales."""
    flow: ModelProto
    """`PRIOR` to `LATENT`; it takes the number of frames as `N_FRAMES`."""
    decoder: ModelProto
    """`LATENT` to `SOUND`."""
    flow_reach: Reach
    decoder_reach: Reach
    has_duration_noise: bool
    has_speakers: bool

    @property
    def models(self) -> tuple[ModelProto, ...]:
        """All of them."""
        return self.frontend, self.flow, self.decoder


class _Tensors(NamedTuple):
    """The tensors at which a graph is cut, by its own names."""

    duration_noise: str | None
    w: str
    frames: str
    means: str
    log_scales: str
    prior: str
    latent: str
    sound: str


def take_apart(model: ModelProto) -> Parts:
    """The parts of an export. Raises `UnusableModel`, which says what could not be found."""
    graph = _Graph(model.graph)
    cut = _find(graph)
    speaker = {SPEAKER} & graph.inputs
    frontend = graph.between(
        {IDS, LENGTHS, SCALES, *speaker, *filter(None, [cut.duration_noise])},
        [cut.w, cut.means, cut.log_scales],
    )
    flow = graph.between({cut.prior, cut.frames, *speaker}, [cut.latent])
    decoder = graph.between({cut.latent, *speaker}, [cut.sound])
    names = {
        cut.duration_noise or "": DURATION_NOISE,
        cut.w: DURATIONS,
        cut.means: MEANS,
        cut.log_scales: LOG_SCALES,
        cut.frames: N_FRAMES,
        cut.prior: PRIOR,
        cut.latent: LATENT,
        cut.sound: SOUND,
    }
    return Parts(
        frontend=_model(model, frontend, names),
        flow=_model(model, flow, names),
        decoder=_model(model, decoder, names),
        flow_reach=reach_of(flow.nodes, cut.prior, cut.latent, graph.shapes),
        decoder_reach=reach_of(decoder.nodes, cut.latent, cut.sound, graph.shapes),
        has_duration_noise=cut.duration_noise is not None,
        has_speakers=bool(speaker),
    )


class _Section(NamedTuple):
    """The nodes between some tensors, in order."""

    nodes: Sequence[NodeProto]
    inputs: Sequence[str]
    outputs: Sequence[str]
    weights: Collection[str]


class _Graph:
    """What leads where in a graph."""

    def __init__(self, graph: GraphProto) -> None:
        weights = {tensor.name: tensor for tensor in graph.initializer}
        self.shapes = {name: tuple(tensor.dims) for name, tensor in weights.items()}
        self.inputs = {each.name for each in graph.input} - weights.keys()
        if not graph.output:
            raise UnusableModel("it has no output")
        # A second output, of durations, is what piper1-gpl's patch_voice_with_alignment.py adds.
        self.output = graph.output[0].name
        _check_order(graph.node, {"", *self.inputs, *weights})
        self._made_by = {name: node for node in graph.node for name in node.output}
        self._nodes = graph.node
        self.nodes = self.between(self.inputs, [self.output]).nodes
        """Those that the sound depends on, in order."""

    def of_kind(self, kind: str) -> list[NodeProto]:
        """The nodes with this operator."""
        return [node for node in self.nodes if node.op_type == kind]

    def maker(self, tensor: str) -> NodeProto | None:
        """The node that a tensor comes from; None: a weight or an input."""
        return self._made_by.get(tensor)

    def users(self, tensor: str) -> list[NodeProto]:
        """The nodes that compute with a tensor, not only with its shape."""
        return [n for n in self.nodes if tensor in n.input and n.op_type != "Shape"]

    def behind(self, *tensors: str) -> set[str]:
        """These tensors, and all that depend on one of them."""
        found = set(tensors)
        for node in self.nodes:
            if not found.isdisjoint(node.input):
                found.update(node.output)
        return found

    def between(self, begins: Collection[str], ends: Sequence[str]) -> _Section:
        """What computes `ends` from `begins`. Raises `UnusableModel` where that takes another
        input."""
        needed, wanted = set[str](), list(ends)
        while wanted:
            name = wanted.pop()
            if name and name not in needed:
                needed.add(name)
                node = self._made_by.get(name)
                if name not in begins and node is not None:
                    wanted += node.input
        others = (needed & self.inputs).difference(begins)
        if others:
            raise UnusableModel(f"it takes {', '.join(sorted(others))} where no voice does")
        nodes = [
            node
            for node in self._nodes
            if not needed.isdisjoint(node.output) and not set(node.output) & set(begins)
        ]
        inputs = sorted(needed.intersection(begins))
        return _Section(nodes, inputs, ends, needed & self.shapes.keys())


def _check_order(nodes: Iterable[NodeProto], known: set[str]) -> None:
    """Refuse what is no graph: a tensor that is made twice, or is used before it is made."""
    for node in nodes:
        made = [name for name in node.output if name]
        twice = sorted(known.intersection(made))
        if twice or not made or len({*made}) != len(made):
            told = f"makes {', '.join(twice)} once more" if twice else "makes no tensors of its own"
            raise UnusableModel(f"its {node.op_type} {node.name!r} {told}")
        lacking = sorted({*node.input} - known)
        if lacking:
            told = f"uses {', '.join(lacking[:3])}, which is not made before it"
            raise UnusableModel(f"its {node.op_type} {node.name!r} {told}")
        known.update(made)


def _find(graph: _Graph) -> _Tensors:
    missing = {IDS, LENGTHS, SCALES} - graph.inputs
    if missing:
        raise UnusableModel(f"it has no input {' or '.join(sorted(missing))}")
    rounding = _only(graph.of_kind("Ceil"), "durations, the one thing that VITS rounds up")
    frames = rounding.output[0]
    behind_frames = graph.behind(frames)
    noises = [node.output[0] for node in graph.of_kind(NOISE)]
    noise = _only([n for n in noises if n in behind_frames], "noise that is drawn for each frame")
    of_durations = [name for name in noises if name not in behind_frames]
    prior = _prior(graph, noise)
    means, log_scales = _spread(graph, prior, behind_frames)
    return _Tensors(
        duration_noise=_only(of_durations, "noise for the durations") if of_durations else None,
        w=_only(rounding.input, "what it rounds up"),
        frames=frames,
        means=means,
        log_scales=log_scales,
        prior=prior,
        latent=_latent(graph, graph.behind(prior)),
        sound=graph.output,
    )


def _prior(graph: _Graph, noise: str) -> str:
    """z_p: the noise is scaled, and the means are added."""
    tensor = noise
    while True:
        user = _only(graph.users(tensor), "one use of the noise of the frames")
        tensor = str(user.output[0])
        match user.op_type:
            case "Add":
                return tensor
            case "Mul":
                pass
            case other:
                raise UnusableModel(f"the noise of the frames goes into a {other}")


def _spread(graph: _Graph, prior: str, behind_frames: Collection[str]) -> tuple[str, str]:
    """m and logs for each phoneme, phonemes first: what a product with the alignment spreads over
    the frames. Scales are taken to the power of e behind it."""
    before = graph.between({*graph.inputs}, [prior]).nodes
    made_before = {name for node in before for name in node.output}
    means: list[str] = []
    log_scales: list[str] = []
    for node in before:
        own = [name for name in node.input if name not in behind_frames]
        if node.op_type == "MatMul" and len(own) == 1:
            later = graph.behind(node.output[0]) & made_before
            exponents = [n for n in before if n.op_type == "Exp" and n.output[0] in later]
            (log_scales if exponents else means).append(own[0])
    what = "and only one that a product spreads over the frames"
    return _only(means, f"m, {what}"), _only(log_scales, f"logs, {what}")


def _latent(graph: _Graph, behind_prior: Collection[str]) -> str:
    """z: what goes into the convolution before the first that makes it longer."""
    longer = graph.of_kind("ConvTranspose")
    node: NodeProto | None = longer[0] if longer else None
    while node is not None:
        on_the_way = [name for name in node.input if name in behind_prior]
        if len(on_the_way) != 1:
            break
        if node.op_type == "Conv":
            return str(on_the_way[0])
        node = graph.maker(on_the_way[0])
    raise UnusableModel("it lacks z, which a convolution takes before the first transposed one")


def _only(found: Sequence[T], what: str) -> T:
    if len(found) != 1:
        raise UnusableModel(f"it lacks {what}" if not found else f"it has {len(found)} of {what}")
    return found[0]


_SHAPES = {IDS: (1, "ids"), LENGTHS: (1,), SCALES: (3,), SPEAKER: (1,)}
_WHOLE_NUMBERS = {IDS, LENGTHS, SPEAKER}


def _model(whole: ModelProto, section: _Section, names: Mapping[str, str]) -> ModelProto:
    """A section as a model of its own, with our names for the tensors at which it was cut."""
    taken, given = [], []
    nodes = list(section.nodes)
    for name in section.inputs:
        own = names.get(name, name)
        kind = TensorProto.INT64 if name in _WHOLE_NUMBERS else TensorProto.FLOAT
        shape = _SHAPES.get(name, (1, f"{own}_1", f"{own}_2"))
        taken.append(helper.make_tensor_value_info(own, kind, shape))
        if own != name:
            nodes.insert(0, helper.make_node("Identity", [own], [name]))
    for name in section.outputs:
        given.append(helper.make_tensor_value_info(names[name], TensorProto.FLOAT, None))
        nodes.append(helper.make_node("Identity", [name], [names[name]]))
    weights = [each for each in whole.graph.initializer if each.name in section.weights]
    graph = helper.make_graph(nodes, "part", taken, given, weights)
    return helper.make_model(graph, ir_version=whole.ir_version, opset_imports=whole.opset_import)
