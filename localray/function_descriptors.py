"""Descriptors of functions, by which Ray's private parts tell functions apart, and the keys under which its table of
functions has them. Must not live here: the functions (`localray.client.definitions`), asking (`localray.gcs_client`).
"""

from __future__ import annotations

import hashlib

from localray.ids import FunctionID, JobID

FUNCTION_TABLE = b"fun"
"""The namespace of the table."""
FUNCTION_KEY = b"RemoteFunction:"
CLASS_KEY = b"ActorClass:"


class FunctionDescriptor:
    """What tells one function apart from others: equal where all the texts are.

    Args:
        texts: of which it is made.
    """

    def __init__(self, *texts: str) -> None:
        self._texts = texts

    @property
    def function_id(self) -> FunctionID:
        """The id that is made of the texts."""
        return FunctionID(hashlib.blake2b("\0".join(self._texts).encode(), digest_size=FunctionID.size()).digest())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._texts == other._texts

    def __hash__(self) -> int:
        return hash((type(self), self._texts))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), self._texts

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._texts}"


class PythonFunctionDescriptor(FunctionDescriptor):
    """Of a function, a class, or a method.

    Args:
        module_name, function_name, class_name: where it is; the last is empty for a function.
        function_source_hash: tells those of one name apart. That of a function or class of a session is its id there.

    Example:
        >>> one, same = (PythonFunctionDescriptor("module", "function", "", "hash") for _ in range(2))
        >>> one == same, one.function_id == same.function_id, one.class_name
        (True, True, '')
    """

    def __init__(
        self, module_name: str, function_name: str, class_name: str = "", function_source_hash: str = ""
    ) -> None:
        super().__init__(module_name, function_name, class_name, function_source_hash)
        self.module_name = module_name
        self.function_name = function_name
        self.class_name = class_name
        self.function_hash = function_source_hash

    @staticmethod
    def of(function_id: bytes, module_name: str, function_name: str, class_name: str = "") -> PythonFunctionDescriptor:
        """Of what a session knows by this id."""
        return PythonFunctionDescriptor(module_name, function_name, class_name, f"{_KNOWN}{function_id.hex()}")

    @property
    def function_id(self) -> FunctionID:
        """The id in the session, or one that is made of the texts."""
        if self.function_hash.startswith(_KNOWN):
            return padded(bytes.fromhex(self.function_hash.removeprefix(_KNOWN)))
        return super().function_id

    def is_actor_method(self) -> bool:
        """Whether it has a class."""
        return bool(self.class_name)


class JavaFunctionDescriptor(FunctionDescriptor):
    """Of a function in Java, which cannot be called from here."""

    def __init__(self, class_name: str, function_name: str, signature: str) -> None:
        super().__init__(class_name, function_name, signature)
        self.class_name = class_name
        self.function_name = function_name
        self.signature = signature


class CppFunctionDescriptor(FunctionDescriptor):
    """Of a function in C++, which cannot be called from here."""

    def __init__(self, function_name: str, caller: str, class_name: str = "") -> None:
        super().__init__(function_name, caller, class_name)
        self.function_name = function_name
        self.caller = caller
        self.class_name = class_name


def padded(function_id: bytes) -> FunctionID:
    """A session's own id of a function in the length that Ray's have."""
    return FunctionID(function_id.ljust(FunctionID.size(), b"\0"))


def key_of(function_id: bytes, job: int, *, is_class: bool) -> bytes:
    """Under which the table has it."""
    job_id = JobID.from_int(job).hex().encode()
    return (CLASS_KEY if is_class else FUNCTION_KEY) + job_id + b":" + padded(function_id).binary()


_KNOWN = "id:"
