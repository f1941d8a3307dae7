"""What an import pulls in, seen in a fresh interpreter: the kernel touches nothing of the world, the package starts
fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cloudpickle
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(cloudpickle.__file__).resolve().parents[1]

# What a pure state machine has no business with. `signal`, `select`, `ssl` and the like come with these.
WORLDLY = {
    "_random", "_socket", "asyncio", "concurrent", "logging", "multiprocessing", "queue", "random", "sched",
    "secrets", "selectors", "socket", "socketserver", "subprocess", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
HEAVY = {"numpy", "cloudpickle", "psutil", "asyncio", "multiprocessing", "concurrent.futures", "inspect", "ctypes"}
IMPORT_LIMIT_S = 0.15
"""Measured: 3 to 15 ms. The limit allows for a busy machine; the other test is the sharp one."""


def pulled_in(statement: str) -> set[str]:
    """The modules that a statement adds to a bare interpreter: isolated, without `site`, so that nothing hides them."""
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r}); sys.path.append({str(PACKAGES)!r})\n"
        "import json\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        "added = set(sys.modules) - before\n"
        "sys.stdout.write(json.dumps(sorted(added)))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


def time_is_there_from_the_start() -> bool:
    """Whether a bare interpreter has `time` loaded already (its import system reads clocks)."""
    program = "import sys; print('time' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, capture_output=True, text=True)
    return done.stdout.strip() == "True"


@pytest.mark.parametrize(
    "module", ["kernel", "kernel.kernel", "kernel.invariants", "sched.placement", "protocol", "ids"]
)
def test_the_kernel_pulls_in_nothing_of_the_world(module: str) -> None:
    added = pulled_in(f"import localray.{module}")
    assert f"localray.{module}" in added
    assert not {name for name in added if name.split(".")[0] in WORLDLY}


@pytest.mark.skipif(not time_is_there_from_the_start(), reason="then the test above sees `time` itself")
@pytest.mark.parametrize("path", sorted((ROOT / "localray" / "kernel").glob("*.py")), ids=lambda path: path.stem)
def test_no_module_of_the_kernel_names_the_world(path: Path) -> None:
    """Modules that the interpreter has loaded before us can't be seen to be added; the source tells."""
    names = {
        line.split()[1].split(".")[0] for line in path.read_text().splitlines() if line.startswith(("import ", "from "))
    }
    assert not names & (WORLDLY | {"os", "sys", "io", "pathlib"})


def test_importing_the_package_pulls_in_nothing_heavy() -> None:
    added = pulled_in("import localray")
    assert not {name for name in added if name in HEAVY or name.split(".")[0] in HEAVY}


@pytest.mark.parametrize("module", ["session", "client.client", "runtime.launch", "runtime.channel", "runtime.worker"])
def test_only_the_head_pulls_in_the_kernel(module: str) -> None:
    """Its modules are half of all that a driver would import, while three processes that start share the processors."""
    added = pulled_in(f"import localray.{module}")
    assert f"localray.{module}" in added
    assert not {name for name in added if name.startswith("localray.kernel")}


def test_importing_the_package_is_fast() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import time; start_s = time.perf_counter(); import localray; print(time.perf_counter() - start_s)"
    )
    took_s = min(
        float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    )
    assert took_s < IMPORT_LIMIT_S
