"""`ray._common.network_utils`: addresses as texts, and ports."""

from __future__ import annotations

import socket

from localray.absent.catalogue import missing_in


def build_address(host: str, port: int | str) -> str:
    """Host and port in one; a host with colons in it gets brackets."""
    return f"[{host}]:{port}" if is_ipv6(host) else f"{host}:{port}"


def parse_address(address: str) -> tuple[str, str] | None:
    """Host and port of an address, both texts; None where there is no port."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")):
        return None
    return host.strip("[]"), port


def is_ipv6(host: str) -> bool:
    """Whether an address is one of version 6."""
    return ":" in host


def is_localhost(host: str) -> bool:
    """Whether a host is a name of this machine that never leaves it."""
    return host in ("localhost", "127.0.0.1", "::1")


def get_localhost_ip() -> str:
    """This machine, as it calls itself."""
    return "127.0.0.1"


def get_all_interfaces_ip() -> str:
    """The address that stands for all interfaces."""
    return "0.0.0.0"


def find_free_port(family: socket.AddressFamily = socket.AF_INET) -> int:
    """A port that nobody listens on right now."""
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


__getattr__ = missing_in(__name__)
