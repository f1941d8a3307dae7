"""What the head has written down is replayed: the same decisions, after a worker's death too; and not what others have
written."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from localray.cli.main import main
from localray.exceptions import InternalError
from localray.kernel.effects import DriverConnected, WorkerDied
from localray.kernel.kept_documents import KeptActor, KeptState, MadeActor
from localray.kernel_log.format import MAGIC, KernelSetup, UnreadableLogError
from localray.kernel_log.player import DiffersError, Player
from localray.kernel_log.recorder import RecordingKernel
from localray.protocol import UnpinObjects
from localray.sched.memory import MemorySettings
from localray.sched.survival import SurvivalSettings
from tests.sim.planted_bugs import Plant, planted


@pytest.fixture
def log(nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The log of a session in which a worker was killed, an actor served, and something could not be placed."""
    import localray as ray

    path = tmp_path / "session.log"
    monkeypatch.setenv("LOCALRAY_KERNEL_LOG", str(path))
    ray.init(num_cpus=2)
    try:
        run(ray, tmp_path / "died")
    finally:
        ray.shutdown()
    yield path


def run(ray: ModuleType, died: Path) -> None:
    @ray.remote(max_retries=1)
    def dies_once() -> int:
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 7

    @ray.remote
    class Counter:
        def __init__(self) -> None:
            self.number = 0

        def add(self, data: bytes) -> int:
            self.number += len(data)
            return self.number

    first = dies_once.remote()
    assert ray.get(first) == 7
    counter = Counter.remote()
    large = ray.put(bytes(200_000))
    assert ray.get([counter.add.remote(large) for _ in range(3)])[-1] == 600_000
    impossible = dies_once.options(num_cpus=99).remote()
    assert ray.wait([impossible], timeout=0)[0] == []
    died.write_text(f"{first.hex()} {impossible.hex()}")


def test_a_session_is_replayed(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    player = Player(log)
    steps = list(player.steps())
    assert player.is_whole, "what the kernel knew at its end is what it knows now"
    death = next(step for step in steps if isinstance(step.event, WorkerDied))
    first, impossible = (tmp_path / "died").read_text().split()
    asked = next(step for step in steps if bytes.fromhex(impossible)[:24] in step.event)
    words = ["sim", "replay", str(log)]
    assert main([*words, "--story", first]) == 0
    output = capsys.readouterr().out
    assert f"step {death.number}, after" in output
    assert re.search(r"QUEUED: its worker died: .*SIGKILL", output), output
    assert "knows what that one knew" in output
    assert main([*words, "--until", str(asked.number), "--why", impossible, "--state", "--steps"]) == 0
    output = capsys.readouterr().out
    assert "needs 99 CPU, has 2" in output
    assert f"task {impossible[:48]} " in output
    assert f"\n{asked.number:6} " in output and f"\n{asked.number + 1:6} " not in output
    assert main([*words, "--until", str(death.number - 1), "--story", str(death.event.worker)]) == 0  # type: ignore[union-attr]
    assert "DEAD" not in capsys.readouterr().out
    assert main([*words, "--why", "nonsense"]) == 2
    assert "localray sim: 'nonsense' is no id of a task, an actor or an object." in capsys.readouterr().err


def test_what_cannot_be_replayed_is_refused_with_the_reason(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = log.read_bytes()
    with planted(Plant("", "workers:obtain", "range(len(idle) - 1, -1, -1)", "()")), pytest.raises(DiffersError):
        list(Player(log).steps())
    # The head was killed while it wrote.
    log.write_bytes(content[:-7])
    player = Player(log)
    list(player.steps())
    assert not player.is_whole
    header, rest = content[len(MAGIC) :].split(b"\n", 1)
    other = json.dumps(json.loads(header) | {"python": "3.1"}).encode()
    log.write_bytes(MAGIC + other + b"\n" + rest)
    assert main(["sim", "replay", str(log)]) == 2
    assert "on Python 3.1; this is localray" in capsys.readouterr().err
    log.write_bytes(MAGIC + b"{}\n")
    with pytest.raises(UnreadableLogError, match="does not go on like one"):
        Player(log)
    log.write_bytes(b"something else")
    with pytest.raises(UnreadableLogError, match="is no log"):
        Player(log)


def test_how_a_kernel_was_set_up_is_written_down() -> None:
    made = MadeActor(1, 2, (1,), (), (), (), (), b"h", ((b"o", -1, b"", 0, ()),))
    kept = KeptActor(b"a", made, (b"v",), KeptState(3, 4, b"s", ()), (b"w",), 7, ("file",))
    for actors in (None, (), (kept, kept._replace(state=None))):
        setup = KernelSetup(9, MemorySettings(0.5), SurvivalSettings(77), standing=True, kept=actors)
        again = KernelSetup.decode(setup.encode())
        assert again == setup
        assert [type(actor.made) for actor in again.kept or ()] == [MadeActor for _ in actors or ()]


def test_what_broke_a_kernel_breaks_it_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "session.log"
    kernel = RecordingKernel(str(path), KernelSetup(seed=1))
    number = kernel.new_client_number()
    kernel.step(0.0, DriverConnected(number))
    with pytest.raises(InternalError):
        kernel.step(1.0, UnpinObjects((b"o" * 28,)), number)
    kernel.close()
    assert main(["sim", "replay", str(path)]) == 1
    assert "breaks at step 2, as it did then" in capsys.readouterr().out


def test_a_log_that_cannot_be_written_is_told(
    nothing_left: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import localray as ray

    monkeypatch.setenv("LOCALRAY_KERNEL_LOG", str(tmp_path / "missing" / "session.log"))
    with pytest.raises(ray.exceptions.RaySystemError):
        ray.init(num_cpus=1)
