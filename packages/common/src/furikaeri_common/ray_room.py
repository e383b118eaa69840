"""What a task needs of a machine of a Ray cluster, and how many tasks a machine has room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["NO_GPU", "Need", "no_room"]

NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}
"""Environment variables of a task that needs no GPU: Ray shows it all that a machine has."""

_GIB = 2**30
_EXACT = 1e-9  # of what is lost where shares are divided


class Need(NamedTuple):
    """What a task needs: CPUs, GPUs (or a share of one), bytes of memory (0: not declared)."""

    cpus: int
    gpus: float
    memory: int

    def room_in(self, resources: Mapping[str, float]) -> int:
        """Return how many tasks fit at once into resources, as Ray names them."""
        rooms = [int(resources.get("CPU", 0) // self.cpus)]
        if self.gpus >= 1:
            rooms.append(int(resources.get("GPU", 0) // self.gpus))
        elif self.gpus:
            # Ray does not split one task's share between two GPUs.
            whole, part = divmod(resources.get("GPU", 0), 1)
            rooms.append(int(whole) * int(1 / self.gpus + _EXACT) + int(part / self.gpus + _EXACT))
        if self.memory:
            rooms.append(int(resources.get("memory", 0) // self.memory))
        return min(rooms)


def no_room(need: Need, machines: Sequence[Mapping[str, float]]) -> str:
    """Say that none of some machines, of whose resources the largest are told, has room for a task."""
    largest = max(machines, key=lambda has: (has.get("GPU", 0), has.get("CPU", 0), has.get("memory", 0)))

    def in_words(cpus: float, gpus: float, memory: float) -> str:
        words = [f"{cpus:g} CPU{'s' * (cpus != 1)}"]
        if need.gpus:
            words.append(f"{gpus:g} GPU{'s' * (gpus != 1)}")
        if need.memory:
            words.append(f"{memory / _GIB:.1f} GiB of memory")
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

    there = in_words(largest.get("CPU", 0), largest.get("GPU", 0), largest.get("memory", 0))
    return f"a task needs {in_words(*need)}, and no machine of the Ray cluster has that; the largest has {there}"
