"""What a plan foretells beside what the run then takes: seconds, processor time, memory and disk of a small recipe.

    uv run python benchmarks/plan_accuracy.py --model smollm2-135m-instruct-q4_1 --sample 30

Makes the plan of a small recipe from a sample, runs the recipe as `tq precompute all` does, and prints foretold / real,
for each stage and for all. Plan and run are processes of their own with one thread, one after the other. Where others
work on the machine, seconds depend on them; so the plan is made a second time by processor time, and laid beside that
of the run.
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
from pathlib import Path
from typing import Any

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.planning import HERE, bill_of, wall_seconds
from furikaeri_common.stages import run_stages
from twenty_questions.labelling.opening import open_labeller
from twenty_questions.precompute.chain import Layout, stages_of
from twenty_questions.precompute.planning.recipe_plan import PlanOptions, plan_recipe
from twenty_questions.precompute.recipe import read_precompute_recipe

RECIPE = """
about = "A small recipe of the laptop's kind."

[[keywords.llm]]
model = "{model}"
given = "built-in"
requests = {texts}
shown = 8
asked = 12

[[keywords.file]]
list = "built-in"

[keywords]
limit = {keywords}

[questions]
file = ["built-in"]
budget = {questions}
sample = {ranked}

[[questions.llm]]
model = "{model}"
requests = {texts}

[[models]]
model = "{model}"
prompt = "examples"
"""
STAGES = {"keywords": "keywords: ", "questions": "questions: ", "ranking": "ranking: ", "table": ("labels: ", "table")}


def foretell(file: Path, sample: float, *, by_processor: bool) -> None:
    """Make the plan and print what it says, as JSON."""
    clock = time.process_time if by_processor else time.perf_counter
    plan = plan_recipe(
        read_precompute_recipe(str(file)),
        PlanOptions(seconds=sample),
        open_model=open_labeller,
        on_step=lambda text: print(text, file=sys.stderr, flush=True),
        clock=clock,
    )
    bill = bill_of(plan, HERE)
    seconds = {}
    for stage, begins in STAGES.items():
        walls = [wall_seconds(one, HERE) for one in plan.stages if one.name.startswith(begins)]
        seconds[stage] = sum(wall.likely for wall in walls if wall is not None)
    told = {
        "stages": seconds,
        "seconds": bill.seconds._asdict(),
        "memory": max(stage.memory.likely for stage in plan.stages if stage.memory is not None),
        "disk": sum(stage.disk.likely for stage in plan.stages if stage.disk is not None),
        "pairs": sum(stage.count.likely for stage in plan.stages if stage.name.startswith(("labels: ", "ranking: "))),
    }
    print(json.dumps(told))


def perform(file: Path, folder: Path) -> None:
    """Run the recipe as `tq precompute all` does, and print what each stage took, as JSON."""
    used: dict[str, float] = {}
    recipe = read_precompute_recipe(str(file))
    folder.mkdir()
    records = run_stages(
        folder,
        stages_of(recipe, folder, open_model=open_labeller),
        on_start=lambda stage: used.update({stage.name: -time.process_time()}),
        on_end=lambda record: used.update({record.name: used[record.name] + time.process_time()}),
    )
    layout = Layout(folder)
    parts = (layout.table, layout.sample, layout.requests)
    kept = [*folder.glob("*.jsonl"), *(path for part in parts for path in part.rglob("*"))]
    told = {
        "stages": {record.name: record.seconds for record in records},
        "used": used,
        "memory": max(record.peak for record in records),
        "disk": sum(path.stat().st_size for path in kept if path.is_file()),
    }
    print(json.dumps(told))


def child(*arguments: object) -> Any:
    """Run this script as another process with one thread; return the document that it prints."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compare(folder: Path, given: argparse.Namespace, number: int) -> dict[str, tuple[float, float]]:
    """Plan and run once; return (foretold, real) of each figure."""
    file = folder / "small.toml"
    by_clock = child("--foretell", file, "--sample", given.sample)
    by_processor = child("--foretell", file, "--sample", given.sample, "--by-processor")
    real = child("--perform", file, folder / f"run-{number}")
    found = {}
    for kind, plan, took in (("seconds", by_clock, real["stages"]), ("processor seconds", by_processor, real["used"])):
        found |= {f"{kind} of {name}": (plan["stages"][name], seconds) for name, seconds in took.items()}
        found[kind] = (plan["seconds"]["likely"], sum(took.values()))
    return {**found, **{name: (by_clock[name], real[name]) for name in ("memory", "disk")}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m-instruct-q4_1", help="a language model on this machine")
    parser.add_argument("--keywords", type=int, default=96)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--ranked", type=int, default=4, help="keywords on which all questions are ranked")
    parser.add_argument("--texts", type=int, default=6, help="that the model writes, of each kind")
    parser.add_argument("--sample", type=float, default=30.0, help="seconds of a plan's sample")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--foretell", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--perform", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--by-processor", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.foretell:
        foretell(given.foretell, given.sample, by_processor=given.by_processor)
        return
    if given.perform:
        perform(*given.perform)
        return
    rounds = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        sizes = {name: getattr(given, name) for name in ("model", "keywords", "questions", "ranked", "texts")}
        (folder / "small.toml").write_text(RECIPE.format(**sizes))
        for number in range(given.repeats):
            rounds.append(compare(folder, given, number))
            for what, (foretold, real) in rounds[-1].items():
                ratio = foretold / real
                print(f"{number + 1}: {what:30} foretold {foretold:14,.1f}   real {real:14,.1f}   ratio {ratio:.2f}")
            sys.stdout.flush()
    figures = []
    for what in ("seconds", "processor seconds", "memory", "disk"):
        ratios = [one[what][0] / one[what][1] for one in rounds]
        off = statistics.median(abs(ratio - 1) for ratio in ratios)
        figures.append(Figure(f"a plan's {what} beside the run's: |ratio - 1|", off, "", limit=0.2))
        print(f"{what}: foretold / real {', '.join(f'{ratio:.2f}' for ratio in ratios)}, median off by {off:.2f}")
    tell_figures(figures)


if __name__ == "__main__":
    main()
