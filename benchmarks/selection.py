"""How fast all questions of a large table are scored, and in how much memory.

    uv run benchmarks/selection.py            # about a minute
    uv run benchmarks/selection.py --full     # the textbook's loop over every question, not over a sample

Four things are timed by turns on the same random table, and medians are printed: the textbook's loop (a posterior and
its entropy for each question and answer, float64 numpy), our compiled kernel, our numpy kernel, and reading the table's
bytes once with as many threads. Codes are uniform, which is the hardest case for look-ups. Then: the peak memory of
each, in a process of its own; how the time falls as the posterior concentrates; and what the compiled kernel's start-up
costs, which decides from which size on it is worth taking.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.figures import Figure, tell_figures
from twenty_questions.belief import entropy_bits
from twenty_questions.information import (
    NEGLIGIBLE_BITS,
    _rows_that_matter,
    expected_posterior_entropy,
    textbook_posterior_entropy,
)

Codes = NDArray[np.uint8]
Vector = NDArray[np.float64]

UNLABELLED_SHARE = 0.05
LIMITED = 35_000 * 2_000  # cells from which on the limits hold
FASTER, READINGS, MEMORY = 50, 8, 1.5  # than the textbook, of the table's bytes, by the table's memory


def random_table(num_keywords: int, num_questions: int, seed: int) -> tuple[Codes, Vector]:
    """Return uniform codes, some not labelled, and a posterior with some spread."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 255, size=(num_keywords, num_questions), dtype=np.uint8)
    codes[rng.random(codes.shape, dtype=np.float32) < UNLABELLED_SHARE] = 255
    posterior = rng.exponential(size=num_keywords) ** 2
    return codes, posterior / posterior.sum()


def concentrated(num_keywords: int, effective: float, seed: int) -> Vector:
    """Return a posterior as after many independent answers: log-normal weights with 2^H near `effective`."""
    evidence = np.random.default_rng(seed).normal(size=num_keywords)

    def posterior(strength: float) -> Vector:
        weights = np.exp(strength * (evidence - evidence.max()))
        return np.asarray(weights / weights.sum())

    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if entropy_bits(posterior(middle)) > np.log2(effective) else (low, middle)
    return posterior(low)


def read_once(codes: Codes, pool: ThreadPoolExecutor, threads: int) -> None:
    """Read every byte of the table, each thread its share."""
    words = codes.reshape(-1)[: codes.size // 8 * 8].view(np.uint64)
    list(pool.map(np.bitwise_or.reduce, np.array_split(words, threads)))


def by_turns(jobs: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Return the median seconds of each job; they take turns, so that a busy machine is busy for all."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(runs):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def speed(codes: Codes, posterior: Vector, options: argparse.Namespace, threads: int) -> dict[str, float]:
    sample = codes.shape[1] if options.full else min(options.sample, codes.shape[1])
    with ThreadPoolExecutor(threads) as pool:
        seconds = by_turns(
            {
                "textbook": lambda: textbook_posterior_entropy(codes[:, :sample], posterior, noise=options.noise),
                "numba": lambda: score(codes, posterior, "numba", options),
                "numpy": lambda: score(codes, posterior, "numpy", options),
                "read": lambda: read_once(codes, pool, threads),
            },
            options.runs,
        )
    seconds["textbook"] *= codes.shape[1] / sample
    return seconds


def score(codes: Codes, posterior: Vector, kernel: str, options: argparse.Namespace) -> Vector:
    return expected_posterior_entropy(codes, posterior, noise=options.noise, kernel=kernel)


def largest_error(codes: Codes, posterior: Vector, options: argparse.Namespace) -> dict[str, float]:
    few = codes[:, : options.sample]
    exact = textbook_posterior_entropy(few, posterior, noise=options.noise)
    return {
        kernel: float(np.abs(score(codes, posterior, kernel, options)[: options.sample] - exact).max())
        for kernel in ("numba", "numpy")
    }


def peak_memory(codes: Codes, posterior: Vector, options: argparse.Namespace) -> dict[str, float]:
    """Return, for each way, the peak growth of resident memory over the table's bytes, the mapped table included."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "codes.npy"), codes)
        np.save(Path(folder, "posterior.npy"), posterior)
        return {
            kernel: float(in_a_process("memory", folder, kernel, options.noise)) / codes.nbytes
            for kernel in ("textbook", "numba", "numpy")
        }


def report_memory(folder: str, kernel: str, noise: str) -> None:
    """Print by how many bytes resident memory grew at its peak while the mapped table was scored once."""
    rate = float(noise)

    def job(codes: Codes, posterior: Vector) -> object:
        if kernel == "textbook":
            return textbook_posterior_entropy(codes[:, :20], posterior, noise=rate)
        return expected_posterior_entropy(codes, posterior, noise=rate, kernel=kernel)

    job(*random_table(16, 16, 0))
    posterior = np.load(Path(folder, "posterior.npy"))
    before = resident_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    job(np.load(Path(folder, "codes.npy"), mmap_mode="r"), posterior)
    print(resident_bytes("VmHWM") - before)


def resident_bytes(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(field))


def report_start_up() -> None:
    """Print the seconds from nothing to the first compiled result, its machine code being on disk."""
    codes, posterior = random_table(16, 16, 0)
    started = time.perf_counter()
    expected_posterior_entropy(codes, posterior, kernel="numba")
    print(time.perf_counter() - started)


def in_a_process(*arguments: object) -> str:
    command = [sys.executable, __file__, "--worker", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def concentration(codes: Codes, options: argparse.Namespace) -> list[dict[str, object]]:
    rows = []
    for effective in (35_000, 10_000, 3_000, 1_000, 300, 100, 30, 10, 3):
        if effective > codes.shape[0]:
            continue
        p = concentrated(codes.shape[0], effective, options.seed)
        for bits in (NEGLIGIBLE_BITS, 1e-3):
            held = _rows_that_matter(p, bits, options.noise).size
            jobs = {
                kernel: lambda kernel=kernel, p=p, bits=bits: expected_posterior_entropy(
                    codes, p, noise=options.noise, negligible_bits=bits, kernel=kernel
                )
                for kernel in ("numba", "numpy")
            }
            rows.append({"effective": effective, "negligible_bits": bits, "rows": held, **by_turns(jobs, options.runs)})
    return rows


def crossover(options: argparse.Namespace) -> dict[str, object]:
    start_up = min(float(in_a_process("start-up")) for _ in range(3))
    rows = []
    for num_keywords, num_questions in ((500, 400), (2_300, 400), (5_000, 1_000), (10_000, 2_000), (35_000, 2_000)):
        codes, posterior = random_table(num_keywords, num_questions, options.seed)
        seconds = by_turns(
            {
                "numba": lambda c=codes, p=posterior: score(c, p, "numba", options),
                "numpy": lambda c=codes, p=posterior: score(c, p, "numpy", options),
            },
            options.runs,
        )
        saved = seconds["numpy"] - seconds["numba"]
        rows.append({"cells": codes.size, **seconds, "calls_to_repay": start_up / saved if saved > 0 else None})
    return {"start_up": start_up, "sizes": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keywords", type=int, default=35_000)
    parser.add_argument("--questions", type=int, default=2_000)
    parser.add_argument("--noise", type=float, default=0.05, help="flip rate of the partner")
    parser.add_argument("--runs", type=int, default=11, help="runs of which the median is taken")
    parser.add_argument("--sample", type=int, default=40, help="questions the textbook's loop is timed on")
    parser.add_argument("--full", action="store_true", help="time the textbook's loop on every question")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        {"memory": report_memory, "start-up": report_start_up}[options.worker[0]](*options.worker[1:])
        return

    codes, posterior = random_table(options.keywords, options.questions, options.seed)
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    seconds = speed(codes, posterior, options, threads)
    result = {
        "keywords": options.keywords,
        "questions": options.questions,
        "noise": options.noise,
        "threads": threads,
        "runs": options.runs,
        "seed": options.seed,
        "textbook_extrapolated_from": None if options.full else min(options.sample, options.questions),
        "seconds": seconds,
        "times_faster_than_textbook": {name: seconds["textbook"] / seconds[name] for name in ("numba", "numpy")},
        "times_reading_once": {name: seconds[name] / seconds["read"] for name in ("numba", "numpy")},
        "largest_error_bits": largest_error(codes, posterior, options),
        "peak_memory_over_table": peak_memory(codes, posterior, options),
        "concentration": concentration(codes, options),
        "crossover": crossover(options),
    }
    tell_figures(_figures(result))
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_result(result)


def _figures(result: dict) -> list[Figure]:
    """Return what is told: both kernels beside the textbook's loop, and memory beside the table's own."""
    seconds, memory, sample = result["seconds"], result["peak_memory_over_table"], result["textbook_extrapolated_from"]
    size = f"{result['keywords']:,} x {result['questions']:,}"
    textbook = "the textbook's loop" + (f", from {sample} questions" if sample else "")
    is_limited = result["keywords"] * result["questions"] >= LIMITED
    figures = []
    for kernel, title in (("numba", "compiled"), ("numpy", "numpy alone")):
        own, theirs, read = (1e3 * seconds[name] for name in (kernel, "textbook", "read"))
        is_held = is_limited and kernel == "numba"
        figures += [
            Figure(
                f"choosing a question, {size}, {title}",
                *(own, "ms", theirs, textbook),
                limit=theirs / FASTER if is_held else None,
            ),
            Figure(
                f"choosing by the time of reading the table once, {size}, {title}",
                *(own / read, "x", theirs / read, textbook),
                limit=READINGS if is_held else None,
            ),
        ]
        if kernel in memory:
            limit = MEMORY if is_limited else None
            figures.append(Figure(f"peak memory by the table's, {size}, {title}", memory[kernel], "x", limit=limit))
    return figures


def print_result(result: dict) -> None:
    seconds, memory = result["seconds"], result["peak_memory_over_table"]
    sample = result["textbook_extrapolated_from"]
    print(
        f"{result['keywords']:,} keywords x {result['questions']:,} questions, noise {result['noise']}, "
        f"{result['threads']} threads, medians of {result['runs']} runs, seed {result['seed']}\n"
    )
    print(f"{'':10} {'ms':>9} {'x textbook':>11} {'x reading':>10} {'error, bits':>12} {'memory / table':>15}")
    for name in ("textbook", "numpy", "numba", "read"):
        faster, reading = seconds["textbook"] / seconds[name], seconds[name] / seconds["read"]
        error = result["largest_error_bits"].get(name)
        print(
            f"{name:10} {seconds[name] * 1e3:9.2f} {faster:11.1f} {reading:10.1f} "
            f"{'' if error is None else f'{error:.1e}':>12} {f'{memory[name]:.2f}' if name in memory else '':>15}"
        )
    if sample:
        print(
            f"\nThe textbook's loop was timed on {sample} questions and scaled up; its memory is that of 20 questions."
        )
    print("\nAs the posterior concentrates, left out of account at most:")
    print(f"{'':8} {'1e-09 bits':>29} {'0.001 bits':>29}")
    print(f"{'2^H':>8}" + f" {'rows':>9} {'numba ms':>9} {'numpy ms':>9}" * 2)
    for exact, near in zip(result["concentration"][::2], result["concentration"][1::2], strict=True):
        cells = [f" {row['rows']:9,} {row['numba'] * 1e3:9.2f} {row['numpy'] * 1e3:9.2f}" for row in (exact, near)]
        print(f"{exact['effective']:8,}{''.join(cells)}")
    print(f"\nThe compiled kernel starts in {result['crossover']['start_up']:.2f} s.")
    print(f"{'cells':>12} {'numba ms':>9} {'numpy ms':>9} {'calls that repay its start':>27}")
    for row in result["crossover"]["sizes"]:
        calls = f"{row['calls_to_repay']:.0f}" if row["calls_to_repay"] else "never"
        print(f"{row['cells']:12,} {row['numba'] * 1e3:9.2f} {row['numpy'] * 1e3:9.2f} {calls:>27}")


if __name__ == "__main__":
    main()
