"""How long a table of lesions takes to read and to check, beside reading it with types inferred from its first rows.

    uv run python benchmarks/lesion_table.py [FOLDER] [--rows 401059] [--repeats 3]

Without a folder, rows are made up. Prints one JSON document: rows, the seconds of each way (the median), ours by
theirs, the types that inference gets wrong, and the most memory held.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.data.checking import check
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.schema import frame_schema
from isic_lesion.synthetic.folder import FolderConfig, make_folder


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def wrong_types(path: Path) -> dict[str, str] | str:
    """Return the columns that polars types otherwise than the contest's schema, or why it cannot read the table."""
    try:
        inferred = pl.read_csv(path).schema
    except pl.exceptions.PolarsError as error:
        return str(error).splitlines()[0]
    schema = frame_schema("train")
    # A whole number in a column of floats is harmless, and no type tells 0 or 1.
    harmless = (pl.Int64(), pl.Float64(), pl.Int8())
    return {
        name: str(dtype)
        for name, dtype in inferred.items()
        if name in schema and dtype != schema[name] and not (dtype in harmless and schema[name] in harmless)
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="holds train-metadata.csv; rows are made up without it")
    parser.add_argument("--rows", type=int, default=401_059, help="how many are made up")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.folder:
        measure(arguments.folder, arguments.repeats)
        return
    config = FolderConfig(rows=arguments.rows, patients=max(2, round(arguments.rows / 385)), images=False)
    with tempfile.TemporaryDirectory() as place:
        made = make_folder(Path(place) / "data", config, engine=LocalProcesses(0))
        measure(made.folder, arguments.repeats)


def measure(folder: Path, repeats: int) -> None:
    """Measure a folder, print and tell."""
    lesions = open_lesions(folder)
    ways = {
        "read": lesions.read,
        "read two columns": lambda: lesions.read(["isic_id", "target"]),
        "check": lambda: check(lesions, images="none"),
        "inferred read": lambda: pl.read_csv(lesions.metadata, ignore_errors=True),
    }
    seconds = {name: median_seconds(work, repeats) for name, work in ways.items()}
    figures = {
        "rows": len(lesions.read(["isic_id"])),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "read by inferred read": round(seconds["read"] / seconds["inferred read"], 2),
        "wrongly inferred": wrong_types(lesions.metadata),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(figures, indent=2))
    size = f"{figures['rows']:,} lesions"
    tell_figures(
        [
            Figure(
                f"reading a table, {size}",
                *(seconds["read"], "s", seconds["inferred read"], "polars with inferred types, some of them wrong"),
            ),
            Figure(f"checking it, {size}", seconds["check"], "s"),
        ]
    )


if __name__ == "__main__":
    main()
