"""The files of settings that people write or get with a voice: TOML of a voice and of a lexicon, a
Piper voice's config and card; and the graph of one, as lines. An input is a byte that says which,
and the file."""

from __future__ import annotations

import contextlib
import tempfile
from itertools import pairwise
from pathlib import Path

from onnx import ModelProto, TensorProto, helper

from pipeline.lexicon_file import read_lexicon
from stages.errors import UnusableModel
from stages.rvc.voices.settings import read_settings
from stages.text.lexicon import pronunciations
from stages.toml_text import BadToml
from stages.tts.piper.config import read_config
from stages.tts.piper.graph import IDS, LENGTHS, SCALES, SPEAKER, take_apart
from stages.tts.piper.model_card import terms_of
from stages.tts.piper.phonemes import Alphabet

FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
PATH = Path(FOLDER.name, "file")
MOST_TOLD_CHARS = 2000
"""Of an error: a few complaints of a line each."""


def run(data: bytes) -> None:
    """Dispatch on the first byte."""
    kinds = _voice_settings, _lexicon, _piper_config, _card, _graph
    PATH.write_bytes(data[1:])
    kinds[(data[0] if data else 0) % len(kinds)](data[1:])


def _told(error: Exception) -> None:
    assert 0 < len(str(error)) < MOST_TOLD_CHARS
    assert "\n" not in str(error)


def _voice_settings(_: bytes) -> None:
    try:
        settings = read_settings(PATH)
    except BadToml as error:
        _told(error)
    else:
        assert settings.licence or not settings.free


def _lexicon(data: bytes) -> None:
    try:
        lexicon = read_lexicon(PATH)
    except BadToml as error:
        _told(error)
        return
    for language in ("en-us", "de"):
        tables = lexicon.tables(language)
        text = data.decode()[:400]  # has some of the words
        edits = pronunciations(text, language, tables, takes_sounds=True)
        for (_, end, _), (begin, _, _) in pairwise(edits):
            assert end <= begin


def _piper_config(_: bytes) -> None:
    try:
        config = read_config(PATH)
    except UnusableModel as error:
        _told(error)
        return
    with contextlib.suppress(UnusableModel):
        Alphabet("voice", config)


def _card(data: bytes) -> None:
    terms = terms_of(data.decode("utf-8", "replace"))
    assert 0 < len(terms.licence) < MOST_TOLD_CHARS


def _graph(data: bytes) -> None:
    try:
        parts = take_apart(_model(data.decode(errors="ignore")))
    except UnusableModel as error:
        _told(error)
        return
    assert parts.flow_reach.frames >= 0
    assert parts.decoder_reach.frames >= 0
    assert parts.decoder_reach.hop > 0


def _model(lines: str) -> ModelProto:
    """A graph whose nodes are lines: operator, inputs, outputs, and integer attributes, as in
    ``Conv x,w y kernel_shape=3,3 strides=2``. ``weight NAME 4,4,3`` is a weight."""
    nodes, weights, output = [], [], "output"
    for line in lines.splitlines()[:200]:
        kind, first, second, *attributes = [*line.split(), "", "", ""]
        if kind == "weight":
            weights.append(TensorProto(name=first, dims=_numbers(second), data_type=1))
        elif kind == "output":
            output = first
        elif kind:
            node = helper.make_node(kind, first.split(","), second.split(","))
            for name, equals, value in (each.partition("=") for each in attributes):
                if equals:
                    node.attribute.append(helper.make_attribute(name, _numbers(value) or [0]))
            nodes.append(node)
    taken = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        for name in (IDS, LENGTHS, SCALES, *([SPEAKER] if "sid" in lines else []))
    ]
    given = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    return helper.make_model(helper.make_graph(nodes, "voice", taken, given, weights))


def _numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",") if word.isdecimal() and len(word) < 9]
