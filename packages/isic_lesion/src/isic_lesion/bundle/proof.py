"""The proof that a bundle scores lesions by itself, exactly as the run does. (io)

The bundle is unpacked in a temporary folder and scores a table in a process of its own (see `clean_room`), which sees
the bundle, Python's own modules and links to the libraries that the bundle needs, but no `.pth` file and no network.
What it writes must be what this process writes with the run itself, byte for byte.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from furikaeri_common.errors import WorkError
from furikaeri_common.local_processes import LocalProcesses
from isic_lesion.data.dataset import Lesions, open_lesions
from isic_lesion.features.image_features import image_column
from isic_lesion.picture_scores import predict_with_pictures
from isic_lesion.prediction import Predictor
from isic_lesion.scores import write_scores
from isic_lesion.submission import write_submission
from isic_lesion.synthetic.folder import FolderConfig, make_folder

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["Proof", "ProofConfig", "prove", "wanted_image_models"]

_CLEAN_ROOM = Path(__file__).with_name("clean_room.py")
_MADE_UP = FolderConfig(rows=1, patients=1, malignant_share=0.0, test_rows=240, test_patients=12, images=False, seed=7)
_KEPT_SETTINGS = (
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES"),  # on which the bits of networks hang
)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_PAST_HEADER = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class ProofConfig:
    """How a bundle is proved.

    Args:
        data: a folder that holds test-metadata.csv, and test-image.hdf5 for image models; None: one is made up, of
            patients and hospitals not seen before.
        timeout: seconds that the clean process may take, above 0.
    """

    data: Path | None = None
    timeout: float = 900.0

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise ValueError(f"expected timeout > 0, got {self.timeout}")


class Proof(NamedTuple):
    """What an unpacked bundle did in a clean process.

    Attributes:
        lesions: how many it scored, all exactly as the run does.
        unknown: how many of them are of hospitals that the models were not trained on.
        made_up: whether the lesions were.
        seconds: how long it took, with the loading of libraries and models.
        libraries: what it imported beside itself and Python's own modules, and their versions.
    """

    lesions: int
    unknown: int
    made_up: bool
    seconds: float
    libraries: dict[str, str]


def wanted_image_models(predictor: Predictor) -> tuple[str, ...]:
    """Return the image models whose scores must be given, by name, or by column where no name is known.

    The run's own image models look at pictures themselves.
    """
    named = tuple(name for name in predictor.image_models if name not in predictor.networks)
    known = {image_column(name) for name in (*named, *predictor.networks)}
    columns = set(predictor.image_columns) - known
    return (*named, *sorted(name.removeprefix("image_") for name in columns))


def prove(bundle: Path, predictor: Predictor, config: ProofConfig) -> Proof:
    """Let a bundle score lesions in a clean process, and compare.

    Scores of image models and files of earlier contests, where the models want any, are made up.

    Args:
        bundle: the zip.
        predictor: of the run that it was made of.
        config: on what, and for how long.

    Raises:
        InputError: if the data cannot be read.
        WorkError: if it fails, takes too long, wants the network or a stranger's module, writes into its own folder,
            or scores otherwise than the run.
    """
    with tempfile.TemporaryDirectory(prefix="furikaeri-") as name:
        place = Path(name).resolve()
        data = place / "data"
        if config.data is None:
            made_up = replace(_MADE_UP, images=bool(predictor.networks))
            make_folder(data, made_up, engine=LocalProcesses(0))
        else:
            data = config.data.resolve()
        lesions = open_lesions(data, "test")
        given = _made_up_beside(lesions, predictor, place)
        expected = place / "expected.csv"
        predicted = predict_with_pictures(predictor, lesions, image_scores=given["image_scores"], past=given["past"])
        write_submission(predicted.frame, expected)
        folder = place / "bundle"
        with zipfile.ZipFile(bundle) as archive:
            archive.extractall(folder)
        before = _state(folder)
        seen = _score_in_clean_room(folder, place, {"data": data, "out": place / "out.csv", **given}, config.timeout)
        changed = sorted({path.relative_to(folder).as_posix() for path, _ in before ^ _state(folder)})
        for wrong, what in (
            (seen["sockets"], f"wanted a socket {seen['sockets']} times"),
            (seen["strangers"], f"imports from outside: {_some(seen['strangers'])}"),
            (changed, f"writes into its own folder: {_some(changed)}"),
        ):
            if wrong:
                raise WorkError(f"the bundle {what}")
        _compare(expected, place / "out.csv")
    return Proof(
        seen["rows"],
        seen["unknown"],
        config.data is None,
        round(seen["seconds"], 3),
        dict(sorted(seen["libraries"].items())),
    )


def _made_up_beside(lesions: Lesions, predictor: Predictor, place: Path) -> dict[str, list[Path]]:
    """Write what the models want beside the table: scores of image models, and what was known of patients."""
    import polars as pl

    keys = lesions.read(["isic_id", "patient_id"])
    given: dict[str, list[Path]] = {"image_scores": [], "past": []}
    models = wanted_image_models(predictor)
    if models:
        generator = np.random.default_rng(11)
        scores = pl.concat(
            keys.select(
                "isic_id",
                fold=pl.lit(None, pl.UInt8),
                model=pl.lit(model),
                score=pl.Series(generator.uniform(size=len(keys))),
            )
            for model in models
        )
        given["image_scores"] = [place / "image-scores.parquet"]
        write_scores(given["image_scores"][0], scores)
    if predictor.recipe.features.past:
        given["past"] = [place / "past.csv"]
        given["past"][0].write_text(_past_of(keys), encoding="utf-8")
    return given


def _past_of(keys: DataFrame) -> str:
    patients = keys["patient_id"].drop_nulls().unique(maintain_order=True)
    truths = ("nevus,benign,0", "melanoma,malignant,1")
    lines = [
        f"ISIC_{9_000_000 + number},{patient},male,45.0,torso,{truths[number % 2]}"
        for number, patient in enumerate(patients)
    ]
    return "\n".join([_PAST_HEADER, *lines, ""])


def _score_in_clean_room(folder: Path, place: Path, given: Mapping[str, object], timeout: float) -> dict[str, Any]:
    report, work = place / "report.json", place / "work"
    work.mkdir()
    site = _libraries_alone(place / "site", json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["needs"])
    arguments = json.dumps(given, default=str)
    command = [sys.executable, "-I", "-S", "-B", str(_CLEAN_ROOM), str(folder), str(site), str(report), arguments]
    kept = {name: os.environ[name] for name in _KEPT_SETTINGS if name in os.environ}
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env={"PATH": os.defpath, **kept},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise WorkError(
            f"the bundle took more than {timeout:g} s", fix="Allow it more, or prove it on fewer lesions"
        ) from None
    if done.returncode != 0 or not report.exists():
        last = done.stderr.strip().rpartition("\n")[2]
        raise WorkError(f"the bundle ended with exit code {done.returncode}: {last or 'no message'}")
    seen: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return seen


def _libraries_alone(folder: Path, names: Sequence[str]) -> Path:
    """Make a folder of links to some distributions and what they require, extras aside."""
    folder.mkdir()
    pending, met = list(names), set()
    while pending:
        name = pending.pop().lower().replace("_", "-")
        if name in met:
            continue
        met.add(name)
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        required = [_NAME.match(line) for line in found.requires or () if "extra ==" not in line]
        pending += [match[0] for match in required if match is not None]
        for top in {file.parts[0] for file in found.files or ()}:
            if top in ("..", "__pycache__") or top.endswith(".pth") or (folder / top).exists():
                continue
            (folder / top).symlink_to(Path(str(found.locate_file(top))).resolve())
    return folder


def _compare(expected: Path, got: Path) -> None:
    ours, theirs = (path.read_text(encoding="utf-8").splitlines() for path in (expected, got))
    if ours == theirs:
        return
    differing = [(one, other) for one, other in zip(ours, theirs, strict=False) if one != other]
    if len(ours) != len(theirs) or not differing:
        raise WorkError(f"the bundle scores {len(theirs) - 1} lesions, and the run {len(ours) - 1}")
    one, other = differing[0]
    raise WorkError(
        f"the bundle scores otherwise than the run: {len(differing)} of {len(ours) - 1} lesions, such as {other} "
        f"instead of {one}"
    )


def _state(folder: Path) -> set[tuple[Path, int]]:
    """Return everything below a folder, and when it was written."""
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
