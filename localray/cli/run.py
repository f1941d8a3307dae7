"""The command `localray run`: a program of one's own in which `ray` means localray.

The program gets an interpreter of its own, so that it is `__main__` as ever, and sees nothing of this command. How the
name is taken is `localray.alias`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import NoReturn

from localray.alias import environment_of_children

_DESCRIPTION = """\
Run a Python program in which `import ray`, and `from ray.x import y`, mean
localray: there, in its workers, and in the processes it starts.
"""
_EPILOG = """\
examples:
  localray run program.py --its options
  localray run -m pytest tests
  localray run -c 'import ray; print(ray.__version__)'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.usage = "localray run (PROGRAM | -m MODULE | -c CODE | -) [ARGUMENT ...]"
    rest = argparse.REMAINDER
    parser.add_argument("-m", dest="module", nargs=rest, help="run a module, as python -m does")
    parser.add_argument("-c", dest="code", nargs=rest, help="run this code, as python -c does")
    parser.add_argument("program", nargs=rest, metavar="PROGRAM", help="the program's file; what follows is its own")


def run(options: argparse.Namespace) -> int:
    """Run the program; its exit code is this process's own.

    Raises:
        SystemExit: there is nothing to run, or the interpreter was told to ignore the environment.
    """
    for flag, words in (("-m", options.module), ("-c", options.code), ("", options.program)):
        if words:
            # What follows a `--` is kept apart, and is the program's like all that stands before it.
            return _become([flag, *words, *options.program] if flag else words)
    raise SystemExit("localray run: name a program, or a module with -m. See localray run --help.")


def _become(words: list[str]) -> NoReturn:
    """Go on as an interpreter that runs this."""
    if sys.flags.ignore_environment:
        raise SystemExit("localray run: the name `ray` is handed on in PYTHONPATH; run it without -E and -I.")
    command = [sys.executable, *subprocess._args_from_interpreter_flags(), *words]  # type: ignore[attr-defined]
    environment = environment_of_children(os.environ)
    if os.name == "nt":
        # There `exec` returns to the shell before the program has ended.
        raise SystemExit(subprocess.call(command, env=environment))
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)
