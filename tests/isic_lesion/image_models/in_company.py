"""What each of two processes does in the tests of processes, one thing after the other; it writes what it saw.

RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 python in_company.py FOLDER PORT PORT PORT
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch

from furikaeri_common.errors import WorkError
from isic_lesion.image_models.processes import add_up, agree, joined, wait_for_all

SHORT, LONG = timedelta(seconds=8), timedelta(minutes=5)


def sums() -> dict[str, object]:
    """Add up, agree and disagree, in a block within a block."""
    with joined(patience=LONG) as outer, joined() as processes:
        assert outer == processes
        values = torch.tensor([1.0, 10.0 * processes.rank], dtype=torch.float64)
        add_up(processes, values)
        found = {
            "rank": processes.rank,
            "count": processes.count,
            "first": processes.is_first,
            "sum": values.tolist(),
            "same": agree(processes, [5, -3, 2**60]),
            "other": agree(processes, [5, processes.rank]),
        }
        wait_for_all(processes)
        return found


def given_up(folder: Path) -> str:
    """Wait for one that does not come before this has given up."""
    with joined(patience=SHORT) as processes:
        if processes.rank == 1:
            while not (folder / "given up").exists():
                time.sleep(0.05)
            return ""
        try:
            add_up(processes, torch.ones(3))
        except WorkError as error:
            return str(error)
        finally:
            (folder / "given up").touch()
    return "it came"


def left_alone() -> str:
    """Wait, with great patience, for one that ends as if it were killed."""
    with joined(patience=LONG) as processes:
        wait_for_all(processes)
        if processes.rank == 1:
            os._exit(9)
        started = time.monotonic()
        try:
            add_up(processes, torch.ones(3))
        except WorkError as error:
            return f"{time.monotonic() - started < 60} {error}"
    return "it came"


if __name__ == "__main__":
    folder, *ports = sys.argv[1:]
    seen: list[object] = []
    for port, work in zip(ports, (sums, lambda: given_up(Path(folder)), left_alone), strict=True):
        os.environ["MASTER_PORT"] = port
        seen.append(work())
        Path(folder, f"{os.environ['RANK']}.json").write_text(json.dumps(seen))
