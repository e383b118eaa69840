"""A finished run as one zip that scores lesions by itself: models, code and `predict.py`. (io)

The zip holds what a run's inference reads, under the run's own names, so that its folder is taken for a run's; beside
it the modules of this code that `predict.py` imports. The same run, code and libraries give the same bytes. It is
written under its name only once it has been proved (see `bundle_proof`).
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from furikaeri_common.artifacts import atomic_writer, sha256_of
from furikaeri_common.errors import InputError
from furikaeri_common.records import RECORD as RUN_RECORD
from furikaeri_common.records import read_run
from furikaeri_common.source_files import modules_needed
from isic_lesion.bundle.predict import DATA_FOLDERS
from isic_lesion.bundle.proof import Proof, ProofConfig, prove, wanted_image_models
from isic_lesion.bundle.texts import NOTICE, readme_of
from isic_lesion.features import CATALOGUE
from isic_lesion.image_models.folder import read_image_record
from isic_lesion.image_models.records import ImageModelRecord
from isic_lesion.image_models.records import file_of as weights_of
from isic_lesion.model_documents import MODEL_DOCUMENT
from isic_lesion.prediction import Predictor, open_predictor
from isic_lesion.recipe import document_of
from isic_lesion.run_layout import RunLayout

__all__ = ["Packed", "contents_of", "pack"]

_OUR_PACKAGES = ("isic_lesion", "furikaeri_common")
_PREDICT = Path(__file__).with_name("predict.py")
_SAME_DAY = (1980, 1, 1, 0, 0, 0)  # the earliest that the format knows
_FILE_OF_ALL = 0o100644 << 16  # a plain file, which all may read
_UNIX = 3
_PYTHON = "3.11"
_ALWAYS = ("numpy", "polars", "scipy")
_OF_BOOSTERS = ("xgboost", "lightgbm")
_OF_OTHERS = "safetensors"  # in which models of any other kind are kept
_OF_NETWORKS = ("h5py", "pillow", "safetensors", "timm", "torch", "torchvision")
_MEMBERS = ("furikaeri-common", "furikaeri-isic-lesion")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*>=\s*(?P<least>[0-9.]+)")


class Packed(NamedTuple):
    """A bundle that was written.

    Attributes:
        file: the zip.
        bytes: its size.
        sha256: of its bytes.
        files: how many it holds.
        boosters: how many of them are fitted table models.
        networks: and how many are networks of image models.
        proof: what it did in a clean process; None if that was not asked.
    """

    file: Path
    bytes: int
    sha256: str
    files: int
    boosters: int
    networks: int
    proof: Proof | None


def pack(run: Path, out: Path, *, proof: ProofConfig | None) -> Packed:
    """Pack a finished run, prove the zip, and only then give it its name.

    Args:
        run: the run's folder, or that of an unpacked bundle.
        out: the zip.
        proof: how it is proved; None: not at all.

    Raises:
        InputError: if the run is not finished or damaged, or the file cannot be written.
        MissingExtraError: if a library of its boosters is not installed.
        WorkError: if the bundle fails its proof.
    """
    if out.is_dir() or out.suffix.lower() != ".zip":
        raise InputError(f"{out}: is not the name of a zip", fix="Name a file, such as bundle.zip")
    _check_finished(Path(run))
    predictor = open_predictor(run)
    contents = contents_of(Path(run), predictor, proved=proof is not None)
    with atomic_writer(out) as stream:
        _write_zip(stream, contents)
        stream.flush()
        proved = prove(Path(stream.name), predictor, proof) if proof is not None else None
    boosters = sum(name.startswith("models/") and "/boosters/" in name for name in contents)
    networks = sum(name.endswith(".safetensors") and "/weights/" in name for name in contents)
    return Packed(out, out.stat().st_size, sha256_of(out), len(contents), boosters, networks, proved)


def contents_of(run: Path, predictor: Predictor, *, proved: bool) -> dict[str, Path | bytes]:
    """Return what a bundle holds: name -> a file to copy, or bytes.

    Args:
        run: its folder.
        predictor: opened from it.
        proved: whether the README may say so.
    """
    there, here = RunLayout(run), RunLayout(Path())
    recipe = predictor.recipe
    if recipe.features.set not in CATALOGUE:  # a file on the machine that trained; here it lies beside the recipe
        recipe = replace(recipe, features=replace(recipe.features, set=here.feature_set.as_posix()))
    contents: dict[str, Path | bytes] = {
        here.recipe.as_posix(): _json(document_of(recipe)),
        here.feature_set.as_posix(): there.feature_set,
        here.weights.as_posix(): there.weights,
    }
    for scorer in predictor.scorers:
        fit = scorer.models[0].fold
        if scorer.population is not None:
            contents[here.population(fit).as_posix()] = there.population(fit)
        for model in scorer.models:
            name = model.record.config.name
            contents[(here.model(name) / MODEL_DOCUMENT).as_posix()] = there.model(name) / MODEL_DOCUMENT
            used = {part.name for part in model.record.rounds if part.fold == fit}
            for booster in model.record.digests:
                if PurePosixPath(booster).stem in used:
                    contents[(here.model(name) / booster).as_posix()] = there.model(name) / booster
    networks = {name: _networks_of(folder, predictor) for name, folder in predictor.networks.items()}
    for name, (_, files) in networks.items():
        for file in files:
            contents[(here.image_model(name) / file).as_posix()] = there.image_model(name) / file
    contents["predict.py"] = _PREDICT
    for module in modules_needed(_PREDICT.read_text(encoding="utf-8"), _OUR_PACKAGES):
        contents[module.name] = module.path
    libraries = _libraries(predictor)
    contents["bundle.json"] = _json(
        {
            "format": "furikaeri isic bundle 1",
            "proved": proved,
            "python": platform.python_version(),
            "needs": {
                name: {"at_least": least, "packed_with": version} for name, (least, version) in libraries.items()
            },
        }
    )
    contents["NOTICE"] = NOTICE.encode()
    contents["README.md"] = readme_of(
        title=f"Skin lesion triage: {recipe.name}",
        proved=proved,
        python=_PYTHON,
        libraries=[(name, least, version) for name, (least, version) in libraries.items()],
        models=[
            *((name, record.config.backbone, len(files) - 1) for name, (record, files) in networks.items()),
            *((config.name, config.library, len(config.seeds) * len(predictor.scorers)) for config in recipe.models),
        ],
        networks=tuple(networks),
        hospitals=predictor.hospitals,
        image_models=wanted_image_models(predictor),
        past=recipe.features.past,
        data_folder=DATA_FOLDERS[0],
    ).encode()
    return contents


def _networks_of(folder: Path, predictor: Predictor) -> tuple[ImageModelRecord, list[str]]:
    """Return what an image model's folder says of itself, and the files of it that score: that, and its networks."""
    record = read_image_record(folder)
    of_folds = predictor.recipe.inference.boosters == "folds"
    parts = [part for part in record.parts if (part.fold is not None) == of_folds]
    if not parts:
        raise InputError(
            f"{folder}: has no networks {'of its folds' if of_folds else 'trained on all rows'}",
            fix="Copy the run's folder again, whole",
        )
    return record, [MODEL_DOCUMENT, *(weights_of(part) for part in parts)]


def _check_finished(run: Path) -> None:
    """Refuse a run that still goes on or was stopped; a folder without a record is judged by what it holds."""
    if not run.is_dir():
        raise InputError(f"{run}: no such folder", fix="Give the folder of a run that `isic run` has finished")
    if not (run / RUN_RECORD).exists():
        return
    record = read_run(run)
    if record.command != "isic run":
        raise InputError(f"{run}: is a run of `{record.command}`", fix="Give the folder of a finished `isic run`")
    if record.status != "done":
        raise InputError(
            f"{run}: is not finished ({record.status})", fix="Let it end, or give the same `isic run` command again"
        )


def _libraries(predictor: Predictor) -> dict[str, tuple[str, str]]:
    """Return the libraries that are needed: name -> the least version and the one that is here."""
    required = [_REQUIREMENT.match(line) for member in _MEMBERS for line in metadata.requires(member) or ()]
    least = {match["name"]: match["least"] for match in required if match is not None}
    used = {config.library for config in predictor.recipe.models}
    needed = [*_ALWAYS, *(name for name in _OF_BOOSTERS if name in used)]
    if not used <= set(_OF_BOOSTERS):
        needed.append(_OF_OTHERS)
    if predictor.networks:
        needed += [name for name in _OF_NETWORKS if name not in needed]
    return {name: (least.get(name, "0"), metadata.version(name)) for name in needed}


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write_zip(stream: IO[bytes], contents: Mapping[str, Path | bytes]) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(contents):
            entry = zipfile.ZipInfo(name, _SAME_DAY)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, _UNIX, _FILE_OF_ALL
            content = contents[name]
            if isinstance(content, bytes):
                archive.writestr(entry, content)
                continue
            with _reading(content) as source:
                entry.file_size = content.stat().st_size  # by which the archive knows whether it needs its large form
                with archive.open(entry, "w") as target:
                    shutil.copyfileobj(source, target, 2**20)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    try:
        stream = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    with stream:
        yield stream
