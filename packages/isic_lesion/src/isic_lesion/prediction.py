"""From a finished run to the scores of lesions that nobody trained on. (io)

Rows come in chunks of whole patients, from files that hold a chunk each. Of all rows only ids and one number for each
model are held at once, for a score is a rank among all of them. The scores are those of one pass: features of a patient
need that patient's rows alone, and what crosses patients was fitted in training.
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
from isic_lesion.features import FeatureSet, Population, compute, read_feature_set, read_population
from isic_lesion.features.image_features import image_column
from isic_lesion.past.history import join_past
from isic_lesion.past.reading import read_past
from isic_lesion.recipe import Recipe, recipe_from
from isic_lesion.run_layout import RunLayout
from isic_lesion.score_tables import may_repeat
from isic_lesion.stack.applying import blend_columns
from isic_lesion.stack.files import read_stack
from isic_lesion.stack.values import Stack
from isic_lesion.table_models.folder import TableModel, load_model
from isic_lesion.table_models.inference import known_hospitals

if TYPE_CHECKING:
    from polars import DataFrame, Expr, Series

__all__ = ["Predicted", "Predictor", "Scorer", "check_given", "open_predictor", "predict", "score_rows"]

_ROWS_AT_ONCE = 100_000


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
    image_scores: DataFrame | Iterable[DataFrame] | None = None,
    past: Sequence[Path] = (),
    chunk_rows: int | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, total: None,
) -> Predicted:
    """Score the lesions of a table.

    Args:
        predictor: what scores them.
        lesions: the table; pictures are not looked at.
        image_scores: isic_id, fold (null), model, score of the image models that the run had (see
            `picture_scores.complete_scores`); or several such tables of different models, of which one after the other
            is held.
        past: files of earlier contests, where the run had them.
        chunk_rows: how many rows are in memory at once; None: as the recipe says. A patient's rows stay together.
        on_chunk: told how many rows of how many are done.

    Raises:
        InputError: if the table cannot be read, or something that the run had is missing.
    """
    import polars as pl

    if image_scores is None or isinstance(image_scores, pl.DataFrame):
        check_given(predictor, () if image_scores is None else image_scores["model"].unique(), past)
        image_scores = () if image_scores is None else (image_scores,)
    history = read_past(past).frame if predictor.recipe.features.past else None
    closed = _closed_categories(predictor, lesions.split)
    done = 0
    with tempfile.TemporaryDirectory(prefix="furikaeri-") as place:
        isic_ids, chunk_of_row = _chunk_of_rows(
            lesions, predictor.recipe.inference.chunk_rows if chunk_rows is None else chunk_rows
        )
        pictured = _columns_of(image_scores, isic_ids)
        check_given(predictor, pictured, past)
        columns = {config.name: np.full(len(isic_ids), np.nan) for config in predictor.recipe.models}
        known = np.zeros(len(isic_ids), dtype=bool)
        chunks = _in_chunks(lesions, predictor, chunk_of_row, Path(place))
        for files in chunks:
            rows = pl.read_parquet(files, glob=False)
            _check_categories(rows, closed, lesions)
            positions = rows["row"].to_numpy()
            known[positions] = known_hospitals(rows["attribution"], predictor.hospitals)
            if history is not None:
                rows = join_past(rows, history)
            for model, scores in pictured.items():
                rows = rows.with_columns(pl.Series(image_column(model), scores[positions]).fill_nan(None))
            for name, scores in score_rows(predictor, rows).items():
                columns[name][positions] = scores
            done += len(rows)
            on_chunk(done, len(isic_ids))
    unpictured = np.zeros(len(isic_ids), dtype=bool)
    for model, scores in pictured.items():
        if model in predictor.image_models or image_column(model) in predictor.image_columns:
            unpictured |= np.isnan(scores)
    final = blend_columns(predictor.stack, {**columns, **pictured}, isic_ids, known)
    return Predicted(
        frame=pl.DataFrame({"isic_id": isic_ids, "target": pl.Series(final)}),
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


def _chunk_of_rows(lesions: Lesions, chunk_rows: int) -> tuple[Series, NDArray[np.int32]]:
    """Return each row's id, and its chunk: owners in the order of their first rows, until a chunk is full."""
    import polars as pl

    if chunk_rows < 1:
        raise ValueError(f"expected chunk_rows >= 1, got {chunk_rows}")
    rows = lesions.read(["isic_id", "patient_id"]).with_columns(owner=_owner())
    if rows.is_empty():
        raise InputError(f"{lesions.metadata}: has a header but no rows")
    sizes = rows.group_by("owner", maintain_order=True).len()
    chunks, chunk, filled = [], 0, 0
    for size in sizes["len"]:
        if filled and filled + size > chunk_rows:
            chunk, filled = chunk + 1, 0
        filled += size
        chunks.append(chunk)
    of_owner = sizes.select("owner", pl.Series("chunk", chunks, dtype=pl.Int32))
    chunk_of_row = rows.join(of_owner, on="owner", how="left", maintain_order="left")["chunk"]
    return rows["isic_id"], chunk_of_row.to_numpy()


def _columns_of(tables: Iterable[DataFrame], isic_ids: Series) -> dict[str, NDArray[np.float64]]:
    """Return each image model's scores of some lesions, NaN where it has none."""
    import polars as pl

    columns: dict[str, NDArray[np.float64]] = {}
    for table in tables:
        for (model,), own in table.select("isic_id", "model", "score").group_by("model"):
            if may_repeat(own, ("isic_id",)):  # held out in several rounds
                own = own.sort("isic_id", "score").group_by("isic_id").agg(pl.col("score").mean())
            joined = isic_ids.to_frame("isic_id").join(own, on="isic_id", how="left", maintain_order="left")
            columns[str(model)] = joined["score"].fill_null(float("nan")).to_numpy()
    return columns


def _in_chunks(
    lesions: Lesions, predictor: Predictor, chunk_of_row: NDArray[np.int32], folder: Path
) -> list[list[Path]]:
    """Write what is needed of a table to files, and return those of each chunk; its rows are in the table's order.

    The table is never held whole, and no row is read for another chunk than its own.
    """
    import polars as pl

    table = _as_parquet(lesions, predictor, folder / "lesions.parquet")
    chunks: list[list[Path]] = [[] for _ in range(1 + int(chunk_of_row.max()))]
    if len(chunks) == 1:
        return [[table]]
    for first in range(0, len(chunk_of_row), _ROWS_AT_ONCE):
        rows = pl.scan_parquet(table, glob=False).slice(first, _ROWS_AT_ONCE).collect()
        rows = rows.with_columns(pl.Series("chunk", chunk_of_row[first : first + _ROWS_AT_ONCE]))
        for (chunk,), part in rows.partition_by("chunk", include_key=False, as_dict=True).items():
            file = folder / f"{chunk}-{first}.parquet"
            part.write_parquet(file, compression="lz4")
            chunks[chunk].append(file)
    table.unlink()
    return chunks


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
