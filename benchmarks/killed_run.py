"""A run that is killed at random moments, again and again, against one that is left alone: the same bytes?

    uv run python benchmarks/killed_run.py --kills 10

Makes a folder up, lets `isic run` finish once undisturbed, then starts it anew and kills it (SIGKILL, with all its
workers) after a random share (10 to 33 %) of the time the first one took, as often as asked, and at last lets it
finish. Prints at which stage each kill struck, and compares every file that the two runs promise to make alike.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from furikaeri_common.figures import Figure, tell_figures

RECIPE = """
[features]
set = "small"
[[models]]
preset = "small-xgboost"
rounds = 20
hospital_features = ["with", "without"]
[[models]]
preset = "small-lightgbm"
rounds = 20
seeds = [1, 2]
hospital_features = ["with", "without"]
[stack]
trials = 20
"""
MADE_UP = ("--malignant-share", "0.05", "--test-rows", "200", "--no-images", "--quiet")
ALIKE = ("data/train.parquet", "*.parquet", "*.json", "features/**/*", "models/*/*", "models/*/boosters/*", "stack/*")
ALIKE = (*ALIKE, "submission.csv")
DIFFER = ("run.json",)  # when it was run, and how often it was taken up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "recipe.toml").write_text(RECIPE)
        subprocess.run(
            [program("isic"), "data", "synth", "--out", "data", "--rows", str(given.rows), *MADE_UP],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        begin = time.perf_counter()
        start(folder, "left-alone").wait()
        whole = time.perf_counter() - begin
        print(f"left alone: {whole:.1f} s")
        struck = 0
        while struck < given.kills:
            process = start(folder, "killed")
            time.sleep(chance.uniform(0.1, 0.33) * whole)
            if process.poll() is not None:
                print("finished before all kills were dealt")
                break
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            struck += 1
            stages = sorted(folder.glob("killed/*/stages/*.json"), key=lambda file: file.stat().st_mtime)
            print(f"kill {struck:2}: in {stages[-1].stem if stages else 'the start'}")
        begin = time.perf_counter()
        ended = start(folder, "killed").wait()
        print(f"left to finish: exit code {ended}, {time.perf_counter() - begin:.1f} s")
        (alone,) = map(digests, folder.glob("left-alone/*"))
        # A kill that came after the end leaves a whole run, and the next start makes another.
        killed = [digests(run) for run in folder.glob("killed/*")]
        wrong = sorted(
            {name for made in killed for name in alone.keys() | made.keys() if alone.get(name) != made.get(name)}
        )
        print(f"{len(alone)} files, {len(wrong)} of them different after {struck} kills {wrong[:5]}")
        tell_figures(
            [
                Figure(f"of {len(alone)} files, those that differ after {struck} kills", len(wrong), "", limit=0),
                Figure(f"a run of {given.rows:,} lesions, left alone", whole, "s"),
            ]
        )
        sys.exit(bool(wrong) or bool(ended))


def start(folder: Path, runs: str) -> subprocess.Popen[bytes]:
    """Start `isic run` as the leader of a process group of its own."""
    command = [program("isic"), "run", "--data", "data", "--recipe", "recipe.toml", "--runs", runs, "--quiet"]
    silent = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, stdout=silent, stderr=silent, start_new_session=True)


def program(name: str) -> str:
    """Return the script that stands beside this interpreter."""
    return str(Path(sys.executable).with_name(name))


def digests(run: Path) -> dict[str, str]:
    """Return the SHA-256 of every file that a run makes alike whenever it is run."""
    files = {file for pattern in ALIKE for file in run.glob(pattern) if file.is_file()}
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.name not in DIFFER and ".parts" not in file.parts
    }


if __name__ == "__main__":
    main()
