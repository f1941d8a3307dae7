"""How the two ends of a connection to a standing session show each other that they know its key.

The head sends a greeting: what it speaks, and a nonce. The visitor answers with a nonce of its own and a MAC of both;
the head with another MAC. Neither sends the key, nothing is unpickled, and a recorded conversation is of no use. Pure:
bytes in, bytes out. Must not live here: sockets.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
from collections.abc import Callable
from typing import Final

from localray.protocol import MESSAGE_TYPES

_MAGIC: Final = b"localray"
_NONCE_BYTES: Final = 32
_DIALECT_BYTES: Final = 16
GREETING_BYTES: Final = len(_MAGIC) + _DIALECT_BYTES + _NONCE_BYTES
PROOF_BYTES: Final = 32
ANSWER_BYTES: Final = _NONCE_BYTES + PROOF_BYTES


def dialect() -> bytes:
    """What distinguishes ends that cannot understand each other: the messages there are, and the Python, by which
    functions travel."""
    messages = [(message.__name__, message._fields) for message in MESSAGE_TYPES]
    return hashlib.sha256(repr((messages, sys.version_info[:2])).encode()).digest()[:_DIALECT_BYTES]


def greet() -> bytes:
    """The head's greeting, other than all before."""
    return _MAGIC + dialect() + secrets.token_bytes(_NONCE_BYTES)


def answer(greeting: bytes, key: bytes, mismatch: Callable[[], str]) -> bytes:
    """A visitor's answer to a greeting.

    Args:
        greeting: the head's.
        key: the session's.
        mismatch: what to say where the head speaks otherwise.

    Raises:
        ConnectionError: whoever greets is no head.
        RuntimeError: it is one of another version.
    """
    if len(greeting) != GREETING_BYTES or not greeting.startswith(_MAGIC):
        raise ConnectionError("What answers there is no localray session.")
    if greeting[len(_MAGIC) : -_NONCE_BYTES] != dialect():
        raise RuntimeError(mismatch())
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _mac(key, b"visitor", greeting, nonce)


def confirm(greeting: bytes, answered: bytes, key: bytes) -> bytes | None:
    """What the head says to an answer: a proof of its own; None when the visitor does not know the key."""
    nonce, proof = answered[:_NONCE_BYTES], answered[_NONCE_BYTES:]
    if not hmac.compare_digest(proof, _mac(key, b"visitor", greeting, nonce)):
        return None
    return _mac(key, b"head", greeting, nonce)


def is_confirmed(greeting: bytes, answered: bytes, proof: bytes, key: bytes) -> bool:
    """Whether it is the head that has answered."""
    return hmac.compare_digest(proof, _mac(key, b"head", greeting, answered[:_NONCE_BYTES]))


def _mac(key: bytes, who: bytes, greeting: bytes, nonce: bytes) -> bytes:
    return hmac.digest(key, who + greeting + nonce, "sha256")
