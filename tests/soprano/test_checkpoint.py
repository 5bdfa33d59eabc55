"""What cannot be spoken with is refused with the reason, and runs nothing."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.errors import UnusableModel
from stages.tts.soprano import FILES, checkpoint
from tests.server_process import PATIENCE_S, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

READ = """
import sys
from pathlib import Path
import torch
from stages.errors import UnusableModel
from stages.tts.soprano import checkpoint
try:
    checkpoint.read(Path(sys.argv[1]), torch.float32)
except UnusableModel as error:
    print(error)
"""

TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
DECODER = "decoder.pth"
CONFIG = "config.json"


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A directory of links to a good model; a test replaces one of them."""
    for path in tiny_model.iterdir():
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def complaint(folder: Path) -> str:
    with pytest.raises(UnusableModel) as refusal:
        checkpoint.read(folder, torch.float32)
    said = str(refusal.value)
    assert str(folder) in said
    assert "\n" not in said
    return said


def edit_config(folder: Path, **changes: object) -> None:
    config = json.loads((folder / CONFIG).read_text())
    replace(folder / CONFIG, json.dumps(config | changes).encode())


def edit_decoder(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    weights = torch.load(folder / DECODER, weights_only=True)
    edit(weights)
    (folder / DECODER).unlink()
    torch.save(weights, folder / DECODER)


def test_a_good_model_is_read(model: Path) -> None:
    read = checkpoint.read(model, torch.bfloat16)
    assert read.config.n_layers == 2
    assert {weight.dtype for weight in read.lm_weights.values()} == {torch.bfloat16}
    assert read.prompt("a.")[:2] == [3, 1]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named_with_the_command_that_gets_it(model: Path, name: str) -> None:
    (model / name).unlink()
    gets_it = f"server.py fetch {model.name} --models {model.parent}"
    assert f"{name} is missing; to get the model: .venv/bin/python {gets_it}" in complaint(model)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_truncated_file_is_refused(model: Path, name: str, keep: float) -> None:
    data = (model / name).read_bytes()
    replace(model / name, data[: int(len(data) * keep)])
    assert name in complaint(model)


@pytest.mark.parametrize("name", FILES)
def test_garbage_is_refused(model: Path, name: str) -> None:
    replace(model / name, b"\x80\x04garbage" * 1000)
    assert name in complaint(model)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "llama"}, "a llama model, not Soprano's qwen3"),
        ({"model_type": "no such thing"}, "cannot be read"),
        ({"hidden_size": 256}, "hidden_size is 256"),
        ({"max_position_embeddings": 512}, "Soprano 1.0 has 512"),
        ({"attention_bias": True}, "attention_bias is True"),
        ({"tie_word_embeddings": True}, "tie_word_embeddings is True"),
        ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
        ({"eos_token_id": 5}, "eos_token_id is 5"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types is"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}}, "yarn"),
        ({"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}, "missing keys: model"),
        ({"num_hidden_layers": 1, "layer_types": ["full_attention"]}, "unexpected keys: model"),
        ({"num_hidden_layers": 3}, "cannot be read"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": None}}, "rope_theta is None"),
        ({"intermediate_size": 64}, "mismatched keys: model.layers.0.mlp.down_proj.weight"),
    ],
)
def test_another_architecture_is_refused(
    model: Path, changes: dict[str, object], said: str
) -> None:
    edit_config(model, **changes)
    assert said in complaint(model)


def test_weights_that_are_not_finite_are_refused(model: Path) -> None:
    weights = load_file(model / WEIGHTS)
    weights["model.norm.weight"][3] = torch.nan
    (model / WEIGHTS).unlink()
    save_file(weights, model / WEIGHTS, metadata={"format": "pt"})
    assert "model.norm.weight holds values that are not finite" in complaint(model)


def test_another_tokenizer_is_refused(model: Path) -> None:
    tokenizer = json.loads((model / TOKENIZER).read_text())
    pieces = tokenizer["model"]["vocab"]
    pieces["[TEXT]"], pieces["[START]"] = pieces["[START]"], pieces["[TEXT]"]
    for added in tokenizer["added_tokens"]:
        added["id"] = pieces[added["content"]]
    replace(model / TOKENIZER, json.dumps(tokenizer).encode())
    assert "[0, 2, 1, 3], not [0, 1, 2, 3]" in complaint(model)


def test_the_decoder_of_soprano_1_0_is_told_apart(model: Path) -> None:
    def narrow(weights: dict[str, Any]) -> None:
        weights["decoder.embed.weight"] = torch.zeros(512, 512, 3)
        weights["decoder.embed.bias"] = torch.zeros(512)

    edit_decoder(model, narrow)
    assert "the decoder of Soprano 1.0, which is narrower; use Soprano-1.1-80M" in complaint(model)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda weights: weights.pop("head.out.bias"), "it misses head.out.bias"),
        (lambda weights: weights.update(more=torch.zeros(1)), "it has also more"),
        (lambda weights: weights.update({"head.out.bias": torch.zeros(7)}), "the shape (7,)"),
        (lambda weights: weights["head.out.bias"].fill_(torch.inf), "not finite"),
        (lambda weights: weights.update({"head.out.bias": 1.0}), "is not a state dict"),
        (
            lambda weights: weights.update({"head.out.bias": torch.zeros(2050).to_sparse()}),
            "a state dict of plain",
        ),
        (
            lambda weights: weights.update({"head.out.bias": torch.zeros(2050) * 1j}),
            "dict of plain tensors",
        ),
        (
            lambda weights: weights.update({"head.out.bias": torch.zeros(9, device="meta")}),
            "plain tensors",
        ),
    ],
)
def test_another_decoder_is_refused(
    model: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    edit_decoder(model, edit)
    assert said in complaint(model)


class Bomb:
    """Unpickled without care, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (self.mark, "went off")  # type: ignore[return-value]


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_malicious_decoder_runs_nothing(model: Path, tmp_path: Path, how: str) -> None:
    mark = tmp_path / "mark"
    path = model / DECODER
    path.unlink()
    if how == "torch":
        torch.save({"head.out.bias": Bomb(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Bomb(mark)))
    assert DECODER in complaint(model)
    assert not mark.exists()


def test_code_beside_the_model_is_not_run(model: Path, tmp_path: Path) -> None:
    """A config can name classes in a file beside it. transformers would ask whether to run that,
    and took a "y" on standard input for consent."""
    mark = tmp_path / "mark"
    (model / "evil.py").write_text(f"open({str(mark)!r}, 'w').write('went off')\n")
    edit_config(model, model_type="evil", auto_map={"AutoConfig": "evil.EvilConfig"})
    done = subprocess.run(
        [sys.executable, "-c", READ, str(model)],
        cwd=ROOT, input="y\n" * 5, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert "config.json cannot be read" in done.stdout, done.stderr
    assert not mark.exists()


def test_rope_may_be_spelled_as_it_used_to_be(model: Path) -> None:
    edit_config(model, rope_parameters=None, rope_theta=20_000.0, rope_scaling=None)
    assert checkpoint.read(model, torch.float32).config.rope_theta == 20_000.0


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    path = tmp_path / "soprano"
    shutil.copy(tiny_model / CONFIG, path)
    assert "config.json is missing" in complaint(path)
