"""Real Ray clusters for tests: two nodes on this machine, each a session that can be killed like a machine.

    nodes = two_nodes()                      # 1 task at once on each: two_nodes(cpus=(2, 4)) for more
                                             # the second has 2 GPUs, as far as Ray knows
    RayCluster(address=nodes.address)
    nodes.kill(nodes.other)                  # SIGKILL to all that runs on the second node; nodes.head: a lost head
    nodes.stop()                             # or: with two_nodes() as nodes: ...

Tests of any folder load it by its path, for pytest puts no folder on the module path:

    spec = importlib.util.spec_from_file_location("ray_nodes", Path(__file__).parents[1] / "ray_nodes.py")
    ray_nodes = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ray_nodes)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

__all__ = ["RayNode", "RayNodes", "two_nodes"]

STORE_BYTES = 100_000_000
# A node that is gone is missed after some 4 s instead of 15; a token that lies in the home folder is none of ours.
SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
SECONDS = 120.0  # to wait for a node on a machine that has other work


class RayNode(NamedTuple):
    """One node: `ray start --block`, which leads the session of all of Ray that runs there, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class RayNodes:
    """A running cluster; `address` is for `--address`."""

    def __init__(self, folder: Path, cpus: Sequence[int]) -> None:
        self._folder = folder
        self._port = _free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.nodes: list[RayNode] = []
        try:
            self.start("head", cpus[0])
            for number, count in enumerate(cpus[1:], start=1):
                self.start(f"node-{number}", count)
            for node in self.nodes:
                _wait_until_started(node)
        except BaseException:
            self.stop()
            raise

    @property
    def head(self) -> RayNode:
        return self.nodes[0]

    @property
    def other(self) -> RayNode:
        return self.nodes[1]

    def add(self, name: str, cpus: int = 1) -> RayNode:
        """Start one more node and wait until it is part of the cluster."""
        node = self.start(name, cpus)
        _wait_until_started(node)
        return node

    def kill(self, node: RayNode) -> None:
        """End everything that runs on a node at once, as a power cut does."""
        with contextlib.suppress(psutil.NoSuchProcess):
            leader = psutil.Process(node.process.pid)
            # Not by its process group: Ray's workers lead groups of their own, and what they start may do so too.
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        node.process.wait()

    def stop(self) -> None:
        """End every node and remove what they left on the disk."""
        for node in self.nodes:
            self.kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> RayNodes:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, name: str, cpus: int = 1) -> RayNode:
        """Start one more node, which becomes part of the cluster a little later."""
        if self.nodes:
            _wait_until_open(self._port, self.head)
            place = [f"--address={self.address}", "--num-gpus=2"]
        else:
            place = ["--head", f"--port={self._port}", f"--temp-dir={self._folder}", "--include-dashboard=false"]
        log = self._folder / f"{name}.log"
        options = ["--block", f"--node-name={name}", f"--num-cpus={cpus}", f"--object-store-memory={STORE_BYTES}"]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [
                    str(Path(sys.executable).with_name("ray")),
                    "start",
                    *place,
                    *options,
                    "--disable-usage-stats",
                    "--include-log-monitor=false",
                ],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**{key: value for key, value in os.environ.items() if not key.startswith("RAY_")}, **SETTINGS},
                start_new_session=True,
            )
        self.nodes.append(RayNode(name, process, log))
        return self.nodes[-1]


def two_nodes(cpus: tuple[int, int] = (1, 1)) -> RayNodes:
    """Start a head and a second node, and wait until both take work.

    Args:
        cpus: of either node; they need not exist.
    """
    # Not in a test's own folder: the paths of Ray's sockets may have 107 bytes at most.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    try:
        return RayNodes(folder, cpus)
    except RuntimeError as error:
        # Ray gives a node 30 s, which a machine with other work may need.
        if "timed out during startup" not in str(error):
            raise
        folder.mkdir()
        return RayNodes(folder, cpus)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _wait_until_open(port: int, head: RayNode) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        _give_up_if(head, late=time.monotonic() > deadline)
        time.sleep(0.05)


def _wait_until_started(node: RayNode) -> None:
    deadline = time.monotonic() + SECONDS
    while "Ray runtime started" not in node.log.read_text():
        _give_up_if(node, late=time.monotonic() > deadline)
        time.sleep(0.05)


def _give_up_if(node: RayNode, *, late: bool) -> None:
    if late or node.process.poll() is not None:
        raise RuntimeError(f"Ray's {node.name} did not start:\n{node.log.read_text()}")
