"""How well `isic plan` foretells a small run: seconds, memory and disk, beside the run itself.

    uv run python benchmarks/isic_plan_accuracy.py [--rows 3000] [--malignant-share 0.02] [--repeats 3] [--sample 8]
        [--no-images] [--folder DIR] [--json]

A recipe with one image model (EfficientNet-Lite0 at 64 pixels, random weights, a few epochs) and one table model is
planned for a made-up folder with pictures, and then run for real: each stage by `isic run`'s own functions, in a
process of its own. Planned figures are divided by those of the run, so 1 is perfect; what is told is how far a repeat
is from it, the median of them, which must be at most 0.2.

Up to 16,000 rows the small run is as large as the planned one. With more of them, such as --rows 48000 --no-images, a
plan must tell from smaller runs, and with --malignant-share 0.001 boosters draw a part of the rows as they do in the
contest.

Seconds are told of the processor and by the clock. A plan tells the clock's of a quiet machine: measure on one. The
memory of a task is that of the process which trained a network, and of the run's processes beside the one that commands
them while it trained boosters. Disk is what the run's folder holds at the end.
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

import psutil

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.planning import HERE, Plan, bill_of
from furikaeri_common.stages import Stage, StageRecord, run_stages
from isic_lesion.data.dataset import open_lesions
from isic_lesion.pipeline import stages_of
from isic_lesion.planning.measuring import count_networks, measure_networks, measure_reading, measure_tables
from isic_lesion.planning.run_plan import Findings, plan_run
from isic_lesion.planning.sizes import sizes_of_folder
from isic_lesion.planning.small_runs import write_pictures
from isic_lesion.planning.timings import processor_seconds
from isic_lesion.recipe import Recipe, read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.synthetic.folder import FolderConfig, make_folder

LIMIT = 0.2
THREADS = 2
IMAGES = """
[[images]]
preset = "small-lite0"
name = "lite0"
weights = "none"
size = 64
epochs = 5
checkpoint_steps = 20
"""
RECIPE = """
name = "accuracy"
{images}
[[models]]
preset = "small-xgboost"

[folds]
count = 3

[stack]
trials = 50
"""


def run_for_real(recipe: Recipe, data: Path, folder: Path) -> dict[str, Any]:
    """Run a recipe and return, by stage, seconds, processor's seconds, and memory beside that of this process."""
    test = open_lesions(data, "test")
    inputs = RunInputs(data=open_lesions(data), recipe=recipe, engine=LocalProcesses(1), test=test)
    found: dict[str, Any] = {}
    began, own = 0.0, 0

    def on_start(stage: Stage) -> None:
        nonlocal began, own
        began, own = processor_seconds(stage.name), psutil.Process().memory_info().rss

    def on_end(record: StageRecord) -> None:
        memory = record.facts.get("peak_bytes") or record.peak - own
        found[record.name] = [record.seconds, processor_seconds(record.name) - began, memory]

    run_stages(folder, stages_of(inputs, folder, threads=THREADS), on_start=on_start, on_end=on_end)
    return found


def disk_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; a file of two names counts once."""
    files = {file.stat().st_ino: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    return sum(files.values())


def seconds_of_plan(plan: Plan, stage: str = "") -> float:
    """Return the planned seconds on this machine of one of the run's stages, or of all."""
    names = {stage, stage.replace("image ", "held out ", 1)}
    stages = tuple(one for one in plan.stages if not stage or one.name in names)
    return bill_of(Plan(what="", stages=stages, kinds=(HERE,)), HERE).seconds.likely


def ratios_of(plans: dict[str, Plan], real: dict[str, Any], disk: int) -> dict[str, float]:
    """Return planned over real, by what it is of."""
    found = {}
    for clock, place in (("by the clock", 0), ("of the processor", 1)):
        plan = plans[clock]
        found[f"seconds {clock}"] = seconds_of_plan(plan) / sum(one[place] for one in real.values())
        for name, what in (("image lite0", "image model"), ("model small-xgboost", "table model")):
            if name in real:
                found[f"{what}, seconds {clock}"] = seconds_of_plan(plan, name) / real[name][place]
    stages = {stage.name: stage for stage in plans["by the clock"].stages}
    for what, name in (("memory of a network", "image lite0"), ("memory of a booster", "model small-xgboost")):
        if name in real:
            memory = stages[name].memory
            assert memory is not None
            found[what] = memory.likely / real[name][2]
    found["disk"] = sum(stage.disk.likely for stage in stages.values() if stage.disk is not None) / disk
    return found


def planned(recipe: Recipe, data: Path, folder: Path, sample: float) -> dict[str, Plan]:
    """Measure, and return the plan by the clock and by the processor's seconds."""
    sizes = sizes_of_folder(data, recipe)
    findings = Findings(
        facts=count_networks(recipe),
        networks=measure_networks(recipe, folder, seconds=sample),
        pictures=measure_reading(recipe, folder),
        tables=measure_tables(recipe, sizes, folder / "runs", threads=THREADS),
    )
    return {
        "by the clock": plan_run(recipe, sizes, findings),
        "of the processor": plan_run(recipe, sizes, findings, processor=True),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--malignant-share", type=float, default=0.02)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=float, default=8.0, help="seconds of the image model")
    parser.add_argument("--no-images", action="store_true", help="go without the image model")
    parser.add_argument("--folder", type=Path, help="where data and runs lie; else a temporary one")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=3, metavar=("RECIPE", "DATA", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        file, data, folder = asked.run
        print(json.dumps(run_for_real(read_recipe(file), Path(data), Path(folder))))
        return
    with tempfile.TemporaryDirectory(prefix="plan-accuracy-") as temporary:
        root = asked.folder or Path(temporary)
        made_up = FolderConfig(
            rows=asked.rows,
            patients=asked.rows // 40,
            malignant_share=asked.malignant_share,
            images=not asked.no_images,
        )
        data = make_folder(root / "data", made_up, engine=LocalProcesses(1)).folder
        if asked.no_images:  # a report shows some, and so do small runs
            write_pictures(open_lesions(data).read(["isic_id"])["isic_id"].to_list(), data / "train-image.hdf5")
        file = root / "accuracy.toml"
        file.write_text(RECIPE.format(images="" if asked.no_images else IMAGES))
        recipe = read_recipe(str(file))
        told: dict[str, list[float]] = {}
        for repeat in range(asked.repeats):
            plans = planned(recipe, data, root / f"sample-{repeat}", asked.sample)
            run = root / f"run-{repeat}"
            command = [sys.executable, __file__, "--run", str(file), str(data), str(run)]
            real = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
            for what, ratio in ratios_of(plans, real, disk_of(run)).items():
                told.setdefault(what, []).append(ratio)
            if not asked.json:
                show(repeat, plans, real)
    if asked.json:
        print(json.dumps({"rows": asked.rows, "planned over real": told}, indent=1))
    else:
        print(f"\nplanned over real, {asked.rows} lesions, {asked.repeats} repeats")
        for what, ratios in told.items():
            print(f"{what:36} median {statistics.median(ratios):.2f}  of {', '.join(f'{one:.2f}' for one in ratios)}")
    tell_figures(
        [
            Figure(
                f"plan of a run: {what}, off by",
                statistics.median(abs(ratio - 1) for ratio in ratios),
                "",
                limit=LIMIT,
            )
            for what, ratios in told.items()
        ]
    )


def show(repeat: int, plans: dict[str, Plan], real: dict[str, Any]) -> None:
    """Print planned and real seconds of each stage, by the clock and of the processor."""
    print(f"repeat {repeat + 1}: seconds planned / taken, by the clock; of the processor")
    for name, (clock, computed, _) in real.items():
        told = [seconds_of_plan(plan, name) for plan in plans.values()]
        print(f"  {name:24} {told[0]:7.1f} / {clock:7.1f}; {told[1]:7.1f} / {computed:7.1f}", flush=True)


if __name__ == "__main__":
    main()
