"""What it gains that a network's process keeps the memory it frees, beside what the C library does by itself.

    uv run python benchmarks/kept_memory.py [--repeats 5] [--seconds 4] [--size 128] [--json]

Each repeat is two fresh processes, one of either kind, which train and score EfficientNet-Lite0 with random weights on
made-up pictures on one thread. Without keeping, processes differ by how their heap happens to lie, so what is told is
the median and the worst of the repeats, in the processor's milliseconds a picture.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from furikaeri_common import allocation
from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.image_models.presets import read_image_config
from isic_lesion.planning.network_samples import measure_network
from isic_lesion.planning.picture_samples import made_up_pictures

KINDS = ("kept", "plain")


def measure(kind: str, pictures: Path, size: int, seconds: float) -> dict[str, float]:
    """Measure one network in this process."""
    if kind == "plain":
        allocation._library = lambda: None
    config = {**read_image_config("small-lite0").to_json(), "size": size, "weights": "none"}
    with tempfile.TemporaryDirectory() as folder:
        found = measure_network({"config": config, "pictures": str(pictures), "seconds": seconds}, Path(folder))

    def each(timings: list[tuple[float, float, float]]) -> float:
        return 1000 * statistics.median(processor / units for units, _, processor in timings)

    return {
        "training, ms a picture": each(found["steps"]),
        "scoring, ms a picture": each(found["scored"]),
        "memory, MiB": found["memory"] / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each process")
    parser.add_argument("--size", type=int, default=128, help="pixels")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--pictures", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.kind:
        print(json.dumps(measure(asked.kind, asked.pictures, asked.size, asked.seconds)))
        return
    told: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="kept-memory-") as folder:
        pictures = made_up_pictures(Path(folder) / "pictures", LocalProcesses(0))
        for _ in range(asked.repeats):
            for kind in KINDS:
                options = ["--kind", kind, "--pictures", pictures, "--size", asked.size, "--seconds", asked.seconds]
                command = [sys.executable, __file__, *map(str, options)]
                found: dict[str, Any] = json.loads(
                    subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                )
                for what, value in found.items():
                    told.setdefault(what, {}).setdefault(kind, []).append(value)
    if asked.json:
        print(json.dumps({"size": asked.size, **told}, indent=1))
    else:
        for what, kinds in told.items():
            for kind, values in kinds.items():
                print(f"{what:24} {kind:6} median {statistics.median(values):8.2f}  worst {max(values):8.2f}")
    tell_figures(
        [
            Figure(
                f"{what.partition(',')[0]} at {asked.size} px{name}",
                of(kinds["kept"]),
                what.partition(", ")[2],
                alternative=of(kinds["plain"]),
                against="memory as the C library has it",
            )
            for what, kinds in told.items()
            for name, of in (("", statistics.median), (", worst process", max))
        ]
    )


if __name__ == "__main__":
    main()
