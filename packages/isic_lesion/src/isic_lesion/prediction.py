"""From a finished run to the scores of lesions that nobody trained on. (io)

Rows come in chunks of whole patients, so that of all rows only ids, hospitals and one number for each model are held at
once. The scores are those of one pass: features of a patient need that patient's rows alone, and what crosses patients
was fitted in training.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError
from isic_lesion.data.dataset import Lesions
from isic_lesion.data.schema import Split, columns_of, frame_schema
from isic_lesion.features import FeatureSet, Population, compute, join_scores, read_feature_set, read_population
from isic_lesion.features.image_features import image_column
from isic_lesion.past.history import join_past
from isic_lesion.past.reading import read_past
from isic_lesion.recipe import Recipe, recipe_from
from isic_lesion.run_layout import RunLayout
from isic_lesion.stack.applying import blend_columns
from isic_lesion.stack.files import read_stack
from isic_lesion.stack.values import Stack
from isic_lesion.table_models.folder import TableModel, load_model
from isic_lesion.table_models.inference import known_hospitals

if TYPE_CHECKING:
    from polars import DataFrame, Expr, Series

__all__ = ["Predicted", "Predictor", "Scorer", "check_given", "open_predictor", "predict", "score_rows"]


class Scorer(NamedTuple):
    """The boosters of one fit: with what was fitted across patients on the rows they were trained on.

    Attributes:
        population: None where no feature crosses patients.
        models: the table models.
    """

    population: Population | None
    models: tuple[TableModel, ...]

    @property
    def hospitals(self) -> frozenset[str]:
        """The hospitals that all its models have seen."""
        return frozenset.intersection(*(model.hospitals for model in self.models))


class Predictor(NamedTuple):
    """What scores lesions.

    Attributes:
        recipe: of the run.
        feature_set: what its models look at.
        scorers: one, of all rows, or one for each round, of which the mean counts.
        stack: what becomes of the models' scores.
        hospitals: those that any scorer has seen: where whole hospitals were held out, each round lacks some.
        networks: the image models that the run trained: name -> folder.
    """

    recipe: Recipe
    feature_set: FeatureSet
    scorers: tuple[Scorer, ...]
    stack: Stack
    hospitals: frozenset[str]
    networks: Mapping[str, Path]

    @property
    def image_models(self) -> tuple[str, ...]:
        """The image models that the stack weighs."""
        tables = {config.name for config in self.recipe.models}
        weighed = {**self.stack.weights_known, **self.stack.weights_unknown}
        return tuple(sorted(set(weighed) - tables))

    @property
    def image_columns(self) -> tuple[str, ...]:
        """The columns of image models' scores that features look at, sorted."""
        own = frame_schema("test")
        return tuple(sorted(one for one in self.feature_set.columns if one.startswith("image_") and one not in own))


class Predicted(NamedTuple):
    """Scores of new lesions.

    Attributes:
        frame: isic_id and target (the score, in (0, 1], the higher the more suspicious), in the table's order.
        unknown: how many are of hospitals that the models have not seen.
        unpictured: how many have no score of some image model, such as for a damaged picture; the others' count.
        chunks: in how many chunks they were scored.
    """

    frame: DataFrame
    unknown: int
    unpictured: int
    chunks: int


def open_predictor(folder: Path) -> Predictor:
    """Open what a run's folder, or a bundle made of it, scores lesions with.

    Raises:
        InputError: if the folder is none, the run is not finished, or a file is damaged.
    """
    layout = RunLayout(Path(folder))
    for file, what in ((layout.recipe, "recipe"), (layout.weights, "stack")):
        if not file.exists():
            raise InputError(f"{folder}: has no {what}", fix="Give the folder of a run that `isic run` has finished")
    recipe = recipe_from(read_json(layout.recipe), source=str(layout.recipe))
    feature_set = read_feature_set(layout.feature_set)
    stack = read_stack(layout.weights)
    fits = tuple(range(recipe.folds.count)) if recipe.inference.boosters == "folds" else (None,)
    scorers = tuple(_scorer(layout, recipe, feature_set, fit) for fit in fits)
    hospitals = frozenset[str]().union(*(scorer.hospitals for scorer in scorers))
    networks = {config.name: layout.image_model(config.name) for config in recipe.images}
    return Predictor(recipe, feature_set, scorers, stack, hospitals, networks)


def _scorer(layout: RunLayout, recipe: Recipe, feature_set: FeatureSet, fold: int | None) -> Scorer:
    crosses = any(feature.crosses_patients for feature in feature_set.features)
    population = read_population(layout.population(fold)) if crosses else None
    models = tuple(load_model(layout.model(config.name), fold=fold) for config in recipe.models)
    for config, model in zip(recipe.models, models, strict=True):
        lacking = set(model.names) - set(feature_set.names)
        if lacking or feature_set.select(model.names).fingerprint != model.record.features:
            raise InputError(
                f"{layout.feature_set}: is not the set of features that the model {config.name} was trained with",
                fix="Copy the run's folder again, whole",
            )
    return Scorer(population, models)


def check_given(predictor: Predictor, image_models: Iterable[str], past: Sequence[Path]) -> None:
    """Refuse lesions for whose scores something is missing, before anything is computed.

    Args:
        predictor: what scores them.
        image_models: whose scores there are.
        past: files of earlier contests.

    Raises:
        InputError: if the run had scores of another image model, or earlier contests, and these are not given.
    """
    if predictor.recipe.features.past and not past:
        raise InputError("the models look at earlier contests, and none were given", fix="Give the run's own files")
    given = set(image_models)
    columns = set(predictor.image_columns)
    missing = sorted(set(predictor.image_models) - given) or sorted(columns - {image_column(model) for model in given})
    if missing:
        raise InputError(
            f"the models look at scores of the image model {missing[0]!r}, and none were given",
            fix="Score the lesions with it, and give the scores",
        )


def predict(
    predictor: Predictor,
    lesions: Lesions,
    *,
    image_scores: DataFrame | None = None,
    past: Sequence[Path] = (),
    chunk_rows: int | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Score the lesions of a table.

    Args:
        predictor: what scores them.
        lesions: the table; pictures are not looked at.
        image_scores: isic_id, fold (null), model, score of the image models that the run had; see
            `picture_scores.complete_scores`.
        past: files of earlier contests, where the run had them.
        chunk_rows: how many rows are in memory at once; None: as the recipe says. A patient's rows stay together.
        on_chunk: told how many rows of how many are done.

    Raises:
        InputError: if the table cannot be read, or something that the run had is missing.
    """
    import polars as pl

    check_given(predictor, () if image_scores is None else image_scores["model"].unique(), past)
    keys = lesions.read(["isic_id", "patient_id", "attribution"])
    if keys.is_empty():
        raise InputError(f"{lesions.metadata}: has a header but no rows")
    known = known_hospitals(keys["attribution"], predictor.hospitals)
    history = read_past(past).frame if predictor.recipe.features.past else None
    chunks = _chunks_of(
        keys.select(_owner()).to_series(), predictor.recipe.inference.chunk_rows if chunk_rows is None else chunk_rows
    )
    closed = _closed_categories(predictor, lesions.split)
    columns = {config.name: np.full(len(keys), np.nan) for config in predictor.recipe.models}
    done = 0
    with tempfile.TemporaryDirectory(prefix="furikaeri-") as place:
        table = _as_parquet(lesions, predictor, Path(place, "lesions.parquet"))
        for owners in chunks:
            rows = pl.scan_parquet(table).filter(_owner().is_in(owners.implode())).collect()
            _check_categories(rows, closed, lesions)
            positions = rows["row"].to_numpy()
            if history is not None:
                rows = join_past(rows, history)
            if image_scores is not None:
                rows = join_scores(rows, image_scores)
            for name, scores in score_rows(predictor, rows).items():
                columns[name][positions] = scores
            done += len(rows)
            on_chunk(done, len(keys))
    unpictured = np.zeros(len(keys), dtype=bool)
    if image_scores is not None:
        for (model,), own in image_scores.group_by("model"):
            joined = keys.select("isic_id").join(own, on="isic_id", how="left", maintain_order="left")
            columns[str(model)] = joined["score"].fill_null(float("nan")).to_numpy()
            if model in predictor.image_models or image_column(str(model)) in predictor.image_columns:
                unpictured |= np.isnan(columns[str(model)])
    final = blend_columns(predictor.stack, columns, keys["isic_id"], known)
    return Predicted(
        frame=keys.select("isic_id", target=pl.Series(final)),
        unknown=int((~known).sum()),
        unpictured=int(unpictured.sum()),
        chunks=len(chunks),
    )


def score_rows(predictor: Predictor, rows: DataFrame) -> dict[str, NDArray[np.float64]]:
    """Return each table model's scores of lesions, the mean over its scorers.

    Args:
        predictor: what scores them.
        rows: all rows of some patients, with attribution and the columns of the feature set; shape (N, any).

    Returns:
        name -> float64 in [0, 1], shape (N,).
    """
    own = FeatureSet(
        name="own", features=tuple(one for one in predictor.feature_set.features if not one.crosses_patients)
    )
    crossing = predictor.feature_set.select(one.name for one in predictor.feature_set.features if one.crosses_patients)
    shared = compute(rows, own)
    total = {config.name: np.zeros(len(rows)) for config in predictor.recipe.models}
    for scorer in predictor.scorers:
        fitted = compute(rows, crossing, scorer.population)
        known = known_hospitals(rows["attribution"], scorer.hospitals)
        for config, model in zip(predictor.recipe.models, scorer.models, strict=True):
            matrix = np.empty((len(rows), len(model.names)), dtype=np.float32)
            for at, name in enumerate(model.names):
                matrix[:, at] = (shared if name in shared.columns else fitted)[name].to_numpy()
            total[config.name] += model.predict(matrix, known=known)
    return {name: scores / len(predictor.scorers) for name, scores in total.items()}


def _closed_categories(predictor: Predictor, split: Split) -> dict[str, tuple[str, ...]]:
    """Return the columns that features look at whose categories are all known, with these."""
    used = predictor.feature_set.columns
    return {known.name: known.categories for known in columns_of(split) if known.closed and known.name in used}


def _check_categories(rows: DataFrame, closed: dict[str, tuple[str, ...]], lesions: Lesions) -> None:
    """Refuse a category that models do not know: it would pass for a missing one without a word."""
    for column, categories in closed.items():
        strange = rows.filter(rows[column].is_not_null() & ~rows[column].is_in(categories))
        if len(strange):
            raise InputError(
                f"{lesions.metadata}: {strange['isic_id'][0]} has {strange[column][0]!r} in {column} "
                f"({len(strange)} rows or more), expected one of {', '.join(categories)}",
                fix="Mend it, or leave it empty where it is not known",
            )


def _owner() -> Expr:
    """Return whose a lesion is: its patient's, or, where none is named, its own."""
    import polars as pl

    return pl.coalesce("patient_id", "isic_id")


def _chunks_of(owners: Series, chunk_rows: int) -> list[Series]:
    """Return the owners of each chunk's rows: in the order of their first rows, until a chunk is full."""
    if chunk_rows < 1:
        raise ValueError(f"expected chunk_rows >= 1, got {chunk_rows}")
    sizes = owners.to_frame("owner").group_by("owner", maintain_order=True).len()
    begins, filled = [0], 0
    for position, size in enumerate(sizes["len"]):
        if filled and filled + size > chunk_rows:
            begins.append(position)
            filled = 0
        filled += size
    ends = [*begins[1:], len(sizes)]
    return [sizes["owner"][begin:end] for begin, end in zip(begins, ends, strict=True)]


def _as_parquet(lesions: Lesions, predictor: Predictor, path: Path) -> Path:
    """Write what is needed of a table where some rows can be read without the others, never holding it whole."""
    import polars as pl

    needed = {*predictor.feature_set.columns, "isic_id", "patient_id", "age_approx", "attribution"}
    columns = [name for name in frame_schema(lesions.split) if name in needed]
    try:
        lesions.scan().select(columns).with_row_index("row").sink_parquet(path, compression="lz4")
    except pl.exceptions.PolarsError:
        lesions.read(columns)  # which names the row
        raise
    return path
