"""What the project builds on is installed in versions that import beside each other.

Imports run in fresh interpreters: some of these packages warn, start threads or patch others
at import, and none of that may reach the other tests.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parent.parent / "requirements"

# `import rvc_python` runs its __init__, which wants fairseq and all of its command line. An empty
# package in its place leaves the submodules in reach. torchcrepe, a pitch tracker that we never
# choose, is imported by the offline pipeline and needs a torchaudio of torch's own version.
AN_EMPTY_RVC_PYTHON = """
import sys
from importlib.machinery import PathFinder
from types import ModuleType

package = ModuleType("rvc_python")
package.__path__ = PathFinder.find_spec("rvc_python").submodule_search_locations
sys.modules["rvc_python"] = package
sys.modules["torchcrepe"] = ModuleType("torchcrepe")
"""


def run_python(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "module",
    [
        "espeakng_loader",
        "faiss",
        "hypercorn.trio",
        "hypothesis",
        "numpy",
        "parselmouth",
        "pytest_trio",
        "pyworld",
        "soxr",
        "torch",
        "transformers",
        "trio",
        "trio_websocket",
    ],
)
def test_imports(module: str) -> None:
    run_python(f"import {module}")


def test_soprano_imports_without_its_web_page_and_sound_card() -> None:
    run_python(
        "import soprano, soprano.backends.transformers, soprano.utils.text_normalizer,"
        " soprano.vocos.decoder"
    )


@pytest.mark.parametrize(
    "module",
    [
        "rvc_python.lib.infer_pack.models",
        "rvc_python.lib.rmvpe",
        "rvc_python.modules.vc.pipeline",
    ],
)
def test_rvc_imports_without_fairseq(module: str) -> None:
    run_python(AN_EMPTY_RVC_PYTHON + f"import {module}")


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
    assert {"transformers", "faiss-cpu"} <= models.keys()
    assert not models.keys() & {"pytest", "ruff", "mypy", "hypothesis", "torch"}


def test_light_pins_hold_no_torch() -> None:
    assert not pins("light.txt").keys() & (pins("torch.txt").keys() | {"transformers", "numba"})


@pytest.mark.parametrize("name", ["full.txt", "models.txt"])
def test_pins_leave_torch_and_its_cuda_packages_to_the_machine(name: str) -> None:
    left = [name for name in pins(name) if re.match(r"torch$|nvidia-|cuda-|triton", name)]
    assert not left


@pytest.mark.parametrize("name", ["light.txt", "models.txt", "full.txt", "torch.txt"])
def test_pins_name_no_source_and_no_path(name: str) -> None:
    """Versions and conditions alone, so that pip asks whatever it is set up to ask."""
    lines = (REQUIREMENTS / name).read_text().splitlines()
    requirements = [line.partition("#")[0].rstrip() for line in lines]
    odd = [
        line for line in requirements if not re.fullmatch(r"([a-z0-9-]+==[^ /]+( ; .*)?)?", line)
    ]
    assert not odd
    assert "://" not in "".join(lines)
