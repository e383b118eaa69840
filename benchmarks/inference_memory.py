"""How much memory scoring takes, in chunks and in one pass, by the number of rows.

    uv run python benchmarks/inference_memory.py [--rows 50000 200000 800000] [--features 200] [--chunk 50000]

Rows of random float32 are made as they are read, so a chunk holds no more than its own. Each measurement is the peak
of a process of its own, interpreter and libraries included. Prints one JSON document; fails if chunks give other scores
than one pass.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.boosters.booster import fit
from isic_lesion.boosters.files import SUFFIXES, load_booster, save_booster
from isic_lesion.boosters.presets import PRESETS
from isic_lesion.table_models.inference import predict_in_chunks

BLOCK = 10_000
FLAT = 1.2  # times the peak of the fewest rows


def rows_between(begin: int, end: int, width: int) -> np.ndarray:
    """Return rows that are a function of their number: blocks of rows have seeds of their own."""
    matrix = np.empty((end - begin, width), dtype=np.float32)
    for block in range(begin // BLOCK, -(-end // BLOCK)):
        made = np.random.default_rng(block).standard_normal((BLOCK, width), dtype=np.float32)
        low, high = max(begin, block * BLOCK), min(end, (block + 1) * BLOCK)
        matrix[low - begin : high - begin] = made[low - block * BLOCK : high - block * BLOCK]
    return matrix


def peak_mb() -> float:
    """Return the most memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(model: Path, rows: int, width: int, chunk: int) -> None:
    """Score and print the peak and a digest of the scores."""
    booster = load_booster(model, threads=1)
    scores = predict_in_chunks(
        booster.predict, lambda part: rows_between(part.start, part.stop, width), rows, chunk_rows=chunk
    )
    print(json.dumps({"mb": round(peak_mb(), 1), "digest": hashlib.sha256(scores.tobytes()).hexdigest()}))


def in_process(*arguments: object) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Measure both libraries at every number of rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 200_000, 800_000])
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--chunk", type=int, default=50_000)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        model, *numbers = options.measure
        measure(Path(model), *map(int, numbers))
        return
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        train = rows_between(0, 5_000, options.features)
        labels = (train[:, 0] + train[:, 1] > 2).astype(np.float32)
        names = [f"feature_{number}" for number in range(options.features)]
        for library in ("xgboost", "lightgbm"):
            config = PRESETS[f"small-{library}"]
            model = Path(folder) / f"model{SUFFIXES[config.library]}"
            save_booster(fit(train, labels, np.ones_like(labels), config, seed=1, names=names), model)
            for rows in options.rows:
                chunks = in_process(model, rows, options.features, options.chunk)
                whole = in_process(model, rows, options.features, rows)
                assert chunks["digest"] == whole["digest"], f"{library}: {rows} rows in chunks score otherwise"
                ratio = round(whole["mb"] / chunks["mb"], 2)
                figures.append(
                    {
                        "library": library,
                        "rows": rows,
                        "chunks_mb": chunks["mb"],
                        "whole_mb": whole["mb"],
                        "ratio": ratio,
                    }
                )
    told = []
    for library in ("xgboost", "lightgbm"):
        of = {row["rows"]: row for row in figures if row["library"] == library}
        least, most = of[min(of)], of[max(of)]
        told += [
            Figure(
                f"scoring {max(of):,} rows by {library}, peak of the process",
                *(most["chunks_mb"], "MB", most["whole_mb"], "in one pass"),
            ),
            Figure(
                f"growth of the peak from {min(of):,} to {max(of):,} rows, {library}",
                *(most["chunks_mb"] / least["chunks_mb"], "x", most["whole_mb"] / least["whole_mb"], "in one pass"),
                limit=FLAT,
            ),
        ]
    tell_figures(told)
    print(json.dumps({"features": options.features, "chunk_rows": options.chunk, "figures": figures}, indent=2))


if __name__ == "__main__":
    main()
