"""How long a table of lesions takes to read and to check, beside reading it with types inferred from its first rows.

    uv run isic data synth --out whole --rows 401059 --patients 1042 --no-images
    uv run python benchmarks/lesion_table.py whole [--repeats 3]

Prints one JSON document: rows, the seconds of each way (the median), ours by theirs, the types that inference gets
wrong, and the most memory held.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from isic_lesion.data.checking import check
from isic_lesion.data.dataset import open_lesions
from isic_lesion.data.schema import frame_schema


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
    parser.add_argument("folder", type=Path, help="holds train-metadata.csv")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    lesions = open_lesions(arguments.folder)
    ways = {
        "read": lesions.read,
        "read two columns": lambda: lesions.read(["isic_id", "target"]),
        "check": lambda: check(lesions, images="none"),
        "inferred read": lambda: pl.read_csv(lesions.metadata, ignore_errors=True),
    }
    seconds = {name: median_seconds(work, arguments.repeats) for name, work in ways.items()}
    figures = {
        "rows": len(lesions.read(["isic_id"])),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "read by inferred read": round(seconds["read"] / seconds["inferred read"], 2),
        "wrongly inferred": wrong_types(lesions.metadata),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
