"""Where a report's inputs come from: files that are named, or the folder of a whole run. (io)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_common.artifacts import read_json, sha256_of
from furikaeri_common.errors import InputError
from furikaeri_common.records import RECORD, read_run
from isic_lesion.data.dataset import open_lesions
from isic_lesion.recipe import recipe_from
from isic_lesion.report.inputs import ReportInputs
from isic_lesion.run_layout import RunLayout

if TYPE_CHECKING:
    from polars import DataFrame

    from isic_lesion.data.schema import Split

__all__ = ["Sources", "read_importances", "read_inputs", "sources_of_run", "stack_file", "stacked_scores"]

_IMPORTANCE = ("importance", "gain")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Files to report on; all but lesions and scores may be missing.

    Args:
        data: a folder of the contest's layout, for lesions and images.
        lesions: the lesions as Parquet with an isic_id, instead of the folder's.
        scores: files of scores.
        folds: what they were made with.
        stack: the weights of a stack (JSON).
        importances: Parquet files of feature, importance (or gain), and model; without a model the folder's name.
        split: which of the folder's tables.
        maps: the folder of an image model.
    """

    data: Path | None = None
    lesions: Path | None = None
    scores: tuple[Path, ...] = ()
    folds: Path | None = None
    stack: Path | None = None
    importances: tuple[Path, ...] = ()
    split: Split = "train"
    maps: Path | None = None


def sources_of_run(folder: Path, *, data: Path | None = None) -> Sources:
    """Return what the folder of a whole run holds; the first image model that it trained is the one that draws maps.

    Args:
        folder: the run's.
        data: the folder that the run was made of, for its images.

    Raises:
        InputError: if there is no such folder, no scores are in it, or its image models were trained on other pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", fix="Give the folder of a run of `isic run`")
    _check_pictures(folder, data)
    layout = RunLayout(folder)
    scores = (*sorted(folder.glob("scores/*.parquet")), *sorted(folder.glob("models/*/oof.parquet")))
    scores += tuple(file for file in (layout.image_scores, layout.stacked) if file.is_file())
    if not scores:
        raise InputError(
            f"{folder}: holds no scores", fix="Let the run get as far as its first model, or name files with --scores"
        )
    return Sources(
        data=data,
        lesions=layout.lesions if layout.lesions.is_file() else None,
        scores=scores,
        folds=layout.folds if layout.folds.is_file() else None,
        stack=layout.weights if layout.weights.is_file() else None,
        importances=tuple(sorted(folder.glob("models/*/importances.parquet"))),
        maps=_image_model_of(layout),
    )


def _check_pictures(run: Path, data: Path | None) -> None:
    """Refuse pictures that a run's image models were not trained on: their maps would tell of other lesions."""
    if data is None or not (run / RECORD).is_file() or (expected := read_run(run).data.get("train_images")) is None:
        return
    images = open_lesions(data).images
    if images is not None and sha256_of(images) != expected:
        raise InputError(
            f"{images}: is not the file of pictures that {run} was made of",
            fix="Give the folder that it was made of, or leave --data out for a report without pictures",
        )


def _image_model_of(layout: RunLayout) -> Path | None:
    """Return the first image model of a run's recipe, if there is one and what draws its maps is installed."""
    if not layout.recipe.is_file() or not all(map(find_spec, ("torch", "timm", "pytorch_grad_cam"))):
        return None
    images = recipe_from(read_json(layout.recipe), source=str(layout.recipe)).images
    return layout.image_model(images[0].name) if images else None


def stack_file(path: Path) -> Path | None:
    """Return the weights of a stack, given their file or the folder that holds it; None if there are none."""
    if not path.is_dir():
        return path if path.exists() else None
    file = path / "stack.json"
    return file if file.is_file() else None


def stacked_scores(path: Path | None, given: Sequence[Path]) -> tuple[Path, ...]:
    """Return the stack's own scores, if they lie in its folder and are not among the files that are given anyway."""
    if path is None or not (path / "scores.parquet").is_file():
        return ()
    file = path / "scores.parquet"
    there = {place.resolve() for place in given}
    return () if file.resolve() in there or path.resolve() in there else (file,)


def read_inputs(
    sources: Sources,
    *,
    headline: str | None = None,
    title: str = "Skin lesion triage",
    about: Mapping[str, str] | None = None,
    num_resamples: int = 1000,
    seed: int = 0,
    with_images: bool = True,
) -> ReportInputs:
    """Read a report's inputs; members of a model (`model#member`) become their mean.

    Where some scores are of rounds, those of lesions that nobody trained on are left out: they are another report's.

    Raises:
        InputError: if a file is missing, is of another kind, or was made with other folds.
    """
    from isic_lesion.folds.files import read_folds
    from isic_lesion.scores import average_members, read_many_scores
    from isic_lesion.stack.files import read_stack

    folds = None if sources.folds is None else read_folds(sources.folds)
    scores = read_many_scores(sources.scores, folds)
    if scores["fold"].null_count() < len(scores):
        scores = scores.filter(scores["fold"].is_not_null())
    stack = None if sources.stack is None else read_stack(sources.stack)
    metadata, images = _lesions(sources)
    facts = {
        "Data": str(sources.data or sources.lesions),
        "Scores": ", ".join(str(path) for path in sources.scores),
        "Folds": "" if folds is None else f"{folds.scheme}, {folds.num_folds} of them, seed {folds.seed}",
        "Folds' fingerprint": "" if folds is None else folds.fingerprint,
        "Maps": str(sources.maps) if sources.maps is not None and images is not None and with_images else "",
        "Intervals": f"{num_resamples} resamples of patients, seed {seed}" if num_resamples else "",
    }
    return ReportInputs(
        metadata=metadata,
        scores=average_members(scores) if scores["model"].str.contains("#", literal=True).any() else scores,
        headline=headline,
        stack={} if stack is None else _weights(stack.weights_known, stack.weights_unknown),
        importances=read_importances(sources.importances) if sources.importances else None,
        folds=folds,
        images=images if with_images else None,
        maps=sources.maps if images is not None and with_images else None,
        title=title,
        about={**{label: text for label, text in facts.items() if text}, **(about or {})},
        num_resamples=num_resamples,
        seed=seed,
    )


def read_importances(paths: Sequence[Path]) -> DataFrame:
    """Read importances of several models as one table.

    Returns:
        feature (String), importance (Float64), model (String).

    Raises:
        InputError: if a file is missing or lacks a column.
    """
    import polars as pl

    from isic_lesion.parquet import read_parquet

    tables = []
    for path in paths:
        frame = read_parquet(path).frame
        column = next((name for name in _IMPORTANCE if name in frame.columns), None)
        if column is None or "feature" not in frame.columns:
            raise InputError(f"{path}: no columns feature and importance", fix="Importances have both, and model")
        model = pl.col("model") if "model" in frame.columns else pl.lit(path.parent.name)
        try:
            tables.append(
                frame.select(
                    pl.col("feature").cast(pl.String),
                    pl.col(column).cast(pl.Float64).alias("importance"),
                    model.cast(pl.String).alias("model"),
                )
            )
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path}: a column is not of its type ({str(error).splitlines()[0][:80]})") from error
    return pl.concat(tables)


def _lesions(sources: Sources) -> tuple[DataFrame, Path | None]:
    from isic_lesion.parquet import read_parquet

    opened = None if sources.data is None else open_lesions(sources.data, sources.split)
    images = None if opened is None else opened.images
    if sources.lesions is not None:
        frame = read_parquet(sources.lesions).frame
        if "isic_id" not in frame.columns:
            raise InputError(f"{sources.lesions}: no column 'isic_id'")
        return frame, images
    if opened is None:
        raise InputError("no lesions to report on", fix="Name the folder of the data with --data")
    return opened.read(), images


def _weights(known: Mapping[str, float], unknown: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Return the weights by kind of hospital, the largest first; one kind where they are the same."""
    found = {
        kind: dict(sorted(weights.items(), key=lambda pair: -pair[1]))
        for kind, weights in (("known", known), ("unknown", unknown))
        if weights
    }
    return {"all hospitals": found["known"]} if found.get("known") == found.get("unknown") and found else found
