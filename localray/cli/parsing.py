"""How command lines are read: options that are none of ours are refused by the command they were given to, with what
may have been meant, and the arguments of a user's program may stand among our options.

Must not live here: what the options mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class Parser(argparse.ArgumentParser):
    """The parser of a command.

    Attributes:
        own: what the arguments of the user's program are called, which may stand before, between and after our options;
            what follows a ``--`` is all theirs. Empty for a command that runs no program.
    """

    own = ""
    _within = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As any parser's, but that nothing is left over.

        Raises:
            SystemExit: there is an option that is none of ours.
        """
        if self._within:
            return super().parse_known_args(args, namespace)
        words = list(args or ())
        place = words.index("--") if self.own and "--" in words else len(words)
        # To read mixed arguments a parser calls itself.
        self._within = True
        try:
            parse = self.parse_known_intermixed_args if self.own else self.parse_known_args
            found, unknown = parse(words[:place], namespace)
        finally:
            self._within = False
        if unknown:
            self._refuse(unknown[0])
        if self.own:
            setattr(found, self.own, [*getattr(found, self.own), *words[place + 1 :]])
        return found, []

    def _refuse(self, word: str) -> None:
        if not word.startswith("-"):
            self.error(f"there is nothing for {word!r} to be: one argument too many.")
        known = [option for action in self._actions for option in action.option_strings]
        meant = get_close_matches(word.partition("=")[0], known, 1)
        said = f"{word} is no option of `{self.prog}`"
        if meant:
            said += f" (did you mean {meant[0]}?)"
        if self.own:
            said += "; if it is the program's own, put -- before it, after all of ours"
        self.error(f"{said}.")


def at_least_one(text: str) -> int:
    """How many there are to be, as it is typed.

    Raises:
        argparse.ArgumentTypeError: that makes no sense.
    """
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not how many: a whole number from 1")
    return int(text)


def new_file(text: str) -> Path:
    """A file that is to be written, as it is typed; looked at before the work is done whose result it is for.

    Raises:
        argparse.ArgumentTypeError: there can be no such file.
    """
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is a directory: name a file in it")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no directory {str(path.parent)!r} to write {path.name!r} into")
    return path
