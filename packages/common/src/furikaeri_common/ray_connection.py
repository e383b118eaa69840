"""How the driver gets to a Ray cluster (io): one that somebody named, one on record here, or one of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

from furikaeri_common.errors import InputError

__all__ = ["answers", "connect", "require_address"]


def require_address(name: str) -> None:
    """Raise if a text cannot be the address of a cluster.

    Args:
        name: HOST:PORT, or what Ray takes in its place, "auto" (one that runs on this machine) and "local" (a new one);
            "" for none.

    Raises:
        InputError: if it is anything else.
    """
    host, _, port = name.rpartition(":")
    is_address = host and port.isdecimal() and not {"/", " "} & set(name)
    if not is_address and name not in ("", "auto", "local"):
        raise InputError(
            f"{name}: expected HOST:PORT of a Ray cluster, such as 10.0.0.1:6379",
            fix="Run the command on a machine of the cluster, and give the address that `ray start` was given there",
        )


def connect(name: str, folder: Path) -> str:
    """Join a cluster, or start one; return its address, or "" for a new one on this machine.

    Args:
        name: of the cluster, HOST:PORT; "": RAY_ADDRESS, the one on record on this machine, or a new one.
        folder: for what a new one needs.

    Raises:
        InputError: if it cannot be joined.
    """
    import ray
    from ray._private.services import canonicalize_bootstrap_address

    name = name or os.environ.get("RAY_ADDRESS", "")
    require_address(name)
    try:
        address = canonicalize_bootstrap_address(name or None)
        if address and not name and not answers(address, 2.0):
            address = None  # the one on record here has ended
        if address:
            _join(address, name)
            return str(address)
        _start_own(folder)
    except (ValueError, OSError, RuntimeError, ray.exceptions.RayError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"the Ray cluster {f'at {name}' if name else 'on this machine'} cannot be joined ({text})",
            fix="Set RAY_AUTH_MODE=token for the command too"
            if "token" in text
            else "See that it runs (`ray status`), with the same Ray and Python on every machine",
        ) from error
    return ""


def _join(address: str, name: str) -> None:
    """Join a cluster that somebody named, or, for "", that is on record on this machine."""
    import psutil
    import ray

    if not answers(address, 5.0):
        raise InputError(
            f"no Ray cluster answers at {name}",
            fix="Start one there with `ray start --head`, or leave the address out for one on this machine",
        )
    if not any("raylet" in (process.info["name"] or "") for process in psutil.process_iter(["name"])):
        raise InputError(
            f"this machine is no part of the Ray cluster at {name or address}",
            fix=f"Join it with `ray start --address={name or address}`, or run the command on one of its machines",
        )
    # Ray shows the token that lies in the home folder to the cluster on record alone.
    ray.init(name or None, log_to_driver=False, configure_logging=False)


def _start_own(folder: Path) -> None:
    """Start a cluster on this machine that ends with this process."""
    import ray

    if not {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"} & set(os.environ):
        # Ray would make one token in the home folder, which later clusters of other programs would then ask for.
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    temporary = str(folder / "ray")
    ray.init("local", _temp_dir=temporary, include_dashboard=False, log_to_driver=False, configure_logging=False)


def answers(address: str, seconds: float) -> bool:
    """Say whether something listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host.strip("[]"), int(port)), seconds):
        return True
    return False
