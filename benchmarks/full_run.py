"""The contest at its full size on one machine: what every stage takes and holds, and how prediction grows with rows.

    OMP_NUM_THREADS=1 uv run python benchmarks/full_run.py                       # about half an hour on two cores
    OMP_NUM_THREADS=1 uv run python benchmarks/full_run.py --rows 20000 --patients 200 --predict-rows 5000 20000

Makes up 401,059 lesions of 1,042 patients to train on and as many to score, and scores of image models for both, as if
their networks had been trained: out-of-fold, informative, and alike among the models, for they look at one picture.
`isic run` then goes through the whole chain with the recipe `small`, whose boosters draw 100 negatives per positive.
Its own figures are printed: what each stage told, took, and held at most, worker processes included.

Then `isic predict` scores tables of several sizes, in the recipe's chunks and in one pass, each in its own process.
`held` is all that was resident at once, `own` leaves out pages of files, which the system can take back at any time.
Of all rows of a table `isic predict` holds ids and one number for each model, since a score is a rank among them.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import psutil

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.data.dataset import open_lesions
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.metrics.ordering import partial_auc
from isic_lesion.recipe import read_recipe
from isic_lesion.scores import write_scores
from isic_lesion.synthetic.folder import FolderConfig, make_folder
from isic_lesion.synthetic.plan import plan
from isic_lesion.synthetic.sizes import MALIGNANT

MIB, GIB = 2**20, 2**30
MOST_HELD = 8.0  # GiB
MOST_A_ROW = 250.0  # bytes
KINDNESS = 0.02  # seconds between two looks at a process
MODELS = ("convnext", "swin", "eva")


class Watched(NamedTuple):
    """A command that ended well: what it printed, its seconds, and the most bytes that it and its children held."""

    printed: str
    seconds: float
    held: int
    own: int


def watched(command: Sequence[object]) -> Watched:
    """Run a command and watch its memory."""
    begin, held, own = time.perf_counter(), 0, 0
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=complaints, text=True)
        while process.poll() is None:
            sums = [resident(pid) for pid in (process.pid, *children_of(process.pid))]
            held, own = max(held, sum(one for one, _ in sums)), max(own, sum(two for _, two in sums))
            time.sleep(KINDNESS)
        seconds = time.perf_counter() - begin
        for stream in (out, complaints):
            stream.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))}\nended with {process.returncode}: {complaints.read()[-2000:]}")
        return Watched(out.read(), seconds, held, own)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(pid: int) -> tuple[int, int]:
    """Return the bytes of a process that are in memory, and those of them that are no pages of files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return 1024 * kib.get("VmRSS", 0), 1024 * kib.get("RssAnon", 0)


def made_up(folder: Path, config: FolderConfig) -> Path:
    """Make a data folder, if it is not there."""
    make_folder(folder, config, engine=LocalProcesses(0))
    return folder


def looks(config: FolderConfig, split: str, models: int, strength: float = 2.0) -> pl.DataFrame:
    """Return isic_id, model and score of image models, which see the truth through noise that they partly share.

    Half of what they err by is in the picture, and the same for all of them.
    """
    sizes = config.sizes("train" if split == "train" else "test")
    lesions = plan(sizes).lesions
    ids = pl.Series("isic_id", [f"ISIC_{number:07d}" for number in lesions.number.tolist()])
    rng = np.random.default_rng([config.seed, 0 if split == "train" else 1, 7])
    seen = strength * (lesions.kind == MALIGNANT) + rng.normal(0, 0.5**0.5, len(ids))
    frames = []
    for model in range(models):
        odds = seen + rng.normal(0, 0.5**0.5, len(ids)) - 5.0
        name = pl.lit(MODELS[model] if model < len(MODELS) else f"network-{model}").alias("model")
        frames.append(pl.DataFrame({"isic_id": ids, "score": 1 / (1 + np.exp(-odds))}).with_columns(name))
    return pl.concat(frames)


def write_looks(folder: Path, config: FolderConfig, models: int) -> tuple[Path, Path]:
    """Write scores of the training lesions, out-of-fold in the folds that a run deals, and of the test lesions."""
    oof, test = folder / "oof.parquet", folder / "test-scores.parquet"
    columns = ["isic_id", "fold", "model", "score"]
    part = read_recipe("small").folds
    rows = open_lesions(folder).read(["isic_id", "patient_id", "target", "attribution"])
    folds = assign_patient_folds(rows, num_folds=part.count, seed=part.seed)
    trained = looks(config, "train", models).join(folds.frame.select("isic_id", "fold"), on="isic_id", how="left")
    write_scores(oof, trained.select(columns), folds)
    untrained = looks(config, "test", models).with_columns(fold=pl.lit(None, dtype=pl.UInt8))
    write_scores(test, untrained.select(columns))
    return oof, test


def isic(*arguments: object) -> list[object]:
    """Return the command line of `isic`."""
    return [Path(sys.executable).with_name("isic"), *arguments]


def whole_run(place: Path, given: argparse.Namespace) -> tuple[list[Figure], Path]:
    """Make everything up, run the chain, print its stages, and return figures and the run's folder."""
    config = FolderConfig(
        rows=given.rows,
        patients=given.patients,
        test_rows=given.rows,
        test_patients=given.patients,
        malignant_share=given.malignant_share,
        images=False,
        seed=given.seed,
    )
    data = made_up(place / "data", config)
    oof, test = write_looks(data, config, given.image_models)
    options = ("--recipe", "small", "--image-scores", oof, "--test-image-scores", test, "--runs", place / "runs")
    done = watched(isic("run", "--data", data, *options, "--workers", given.workers, "--json"))
    ran: dict[str, Any] = json.loads(done.printed)
    print(f"isic run: {given.rows:,} lesions of {given.patients:,} patients, and as many to score")
    print(f"{'stage':32} {'seconds':>9} {'GiB held':>9}")
    for stage in ran["stages"]:
        print(f"{stage['name']:32} {stage['seconds']:9.1f} {stage['peak'] / GIB:9.2f}")
    print(f"{'together':32} {done.seconds:9.1f} {done.held / GIB:9.2f}")
    truth = (plan(config.sizes("test")).lesions.kind == MALIGNANT).astype(np.int8)
    submitted = pl.read_csv(ran["submission"])["target"].to_numpy()
    of_one = {
        str(model): partial_auc(truth, frame["score"].to_numpy())
        for (model,), frame in looks(config, "test", given.image_models).group_by("model", maintain_order=True)
    }
    best = max(of_one, key=lambda name: of_one[name])
    found = partial_auc(truth, submitted)
    print(f"pAUC held out {ran['pauc']:.4f}; of new lesions {found:.4f}, of {best} alone {of_one[best]:.4f}\n")
    size = f"{given.rows:,} lesions"
    figures = [
        Figure(f"isic run, {size}", done.seconds, "s"),
        Figure(f"isic run, {size}: most memory", done.held / GIB, "GiB", limit=MOST_HELD),
        Figure(f"isic run, {size}: pAUC of new lesions", found, "", of_one[best], "one image model", better="more"),
    ]
    return figures, Path(ran["folder"])


def predictions(place: Path, run: Path, given: argparse.Namespace) -> list[Figure]:
    """Score tables of several sizes in chunks and in one pass; print and return the figures."""
    print("isic predict")
    print(f"{'rows':>10} {'as':>10} {'seconds':>9} {'MiB held':>9} {'MiB own':>9}")
    chunked: dict[int, Watched] = {}
    whole: dict[int, Watched] = {}
    for rows in given.predict_rows:
        config = FolderConfig(
            rows=1,
            patients=1,
            test_rows=rows,
            test_patients=max(1, round(rows * 1042 / 401_059)),
            malignant_share=given.malignant_share if rows > 1 else 0.0,
            images=False,
            seed=given.seed + 1,
        )
        data = made_up(place / f"test-{rows}", config)
        scores = data / "test-scores.parquet"
        untrained = looks(config, "test", given.image_models).with_columns(fold=pl.lit(None, dtype=pl.UInt8))
        write_scores(scores, untrained.select("isic_id", "fold", "model", "score"))
        outs = []
        passes = [("chunks", (), chunked)]
        if rows <= given.whole_up_to:
            passes.append(("one pass", ("--chunk-rows", rows), whole))
        for name, options, kept in passes:
            outs.append(data / f"{name.replace(' ', '-')}.csv")
            arguments = ("--run", run, "--image-scores", scores, "--out", outs[-1], *options, "--quiet")
            kept[rows] = done = watched(isic("predict", data, *arguments))
            figures = f"{done.seconds:9.1f} {done.held / MIB:9.0f} {done.own / MIB:9.0f}"
            print(f"{rows:10,} {name:>10} {figures}")
        if len({out.read_bytes() for out in outs}) > 1:
            sys.exit(f"{rows} rows in chunks score otherwise than in one pass")
    few, many = min(chunked), max(chunked)
    figures = []
    for rows, done in chunked.items():
        other = whole.get(rows)
        size = f"isic predict, {rows:,} rows"
        figures.append(
            Figure(size, done.seconds, "s", other.seconds if other else None, "in one pass" if other else "")
        )
        memory = (done.own / MIB, "MiB", other.own / MIB if other else None, "in one pass" if other else "")
        figures.append(Figure(f"{size}: most memory", *memory))
    if many > few:
        a_row = (chunked[many].own - chunked[few].own) / (many - few)
        alternative = None
        if len(whole) > 1:
            low, high = min(whole), max(whole)
            alternative = (whole[high].own - whole[low].own) / (high - low)
        print(f"from {few:,} to {many:,} rows: {a_row:.0f} bytes more for every row", end="")
        print("" if alternative is None else f"; in one pass {alternative:.0f}")
        against = "" if alternative is None else "in one pass"
        # A table that is one chunk holds all of its rows.
        limit = MOST_A_ROW if few >= read_recipe("small").inference.chunk_rows else None
        figures.append(Figure("isic predict: memory of one more row", a_row, "B", alternative, against, limit))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=401_059, help="to train on, and to score in the run")
    parser.add_argument("--patients", type=int, default=1_042)
    parser.add_argument("--malignant-share", type=float, default=393 / 401_059)
    parser.add_argument("--image-models", type=int, default=3)
    parser.add_argument("--predict-rows", type=int, nargs="*", default=[50_000, 400_000, 1_600_000])
    parser.add_argument("--whole-up-to", type=int, default=400_000, help="rows up to which one pass is measured, too")
    parser.add_argument("--workers", type=int, default=1, help="processes that train boosters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps what is made; else a temporary one")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a long run is followed in a file
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        figures, run = whole_run(place, given)
        if given.predict_rows:
            figures += predictions(place, run, given)
    tell_figures(figures)


if __name__ == "__main__":
    main()
