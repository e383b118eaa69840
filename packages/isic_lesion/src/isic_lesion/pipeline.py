"""The whole chain as stages, from a raw folder to a submission. (io)

    data -> folds -> a stage per image model -> features -> a stage per table model -> stack -> report -> submission

Each stage reads what the earlier ones left in the run's folder (see `run_layout`), so any of them can be taken up
again, and none holds what another needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from furikaeri_common.artifacts import atomic_writer, write_json
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError
from furikaeri_common.stages import Stage
from furikaeri_common.tasks import Progress
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.data.checking import check
from isic_lesion.data.schema import frame_schema
from isic_lesion.features import (
    CATALOGUE,
    FeatureSet,
    image_features,
    join_scores,
    past_features,
    read_feature_set,
    unseen_scores,
    write_feature_set,
    write_features,
)
from isic_lesion.features.image_features import image_column
from isic_lesion.folds.dealing import Folds, Scheme, assign_hospital_folds, assign_patient_folds
from isic_lesion.folds.files import check_patients, read_folds, write_folds
from isic_lesion.past.history import join_past
from isic_lesion.past.reading import read_past
from isic_lesion.prediction import open_predictor, predict
from isic_lesion.recipe import Recipe, document_of
from isic_lesion.report import write_report
from isic_lesion.report.sources import read_inputs, sources_of_run
from isic_lesion.run_images import (
    OnPictures,
    OnTraining,
    check_weights,
    image_scores_of,
    image_stages,
    scored_models,
    settled,
    test_image_stages,
)
from isic_lesion.run_inputs import RunInputs
from isic_lesion.run_layout import RunLayout
from isic_lesion.scores import read_many_scores, read_scores, read_scores_by_model, write_scores
from isic_lesion.stack.files import write_stack
from isic_lesion.stack.fitting import StackConfig, fit_stack, stack_held_out
from isic_lesion.submission import write_submission
from isic_lesion.table_models.training import train_table

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["feature_set_of", "stack_config_of", "stages_of"]

OnProgress = Callable[[Progress], None]


def stages_of(
    inputs: RunInputs,
    folder: Path,
    *,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    on_training: OnTraining | None = None,
    on_pictures: OnPictures | None = None,
) -> list[Stage]:
    """Return the stages of a run, in order.

    Args:
        inputs: what it is made of. Image models whose scores are given are not trained.
        folder: the run's.
        threads: that compute features; the values are the same.
        on_progress: told of each booster.
        on_training: told of each network of an image model, and now and then of its steps.
        on_pictures: told of an image model, how many pictures of the test lesions it has scored, and of how many.

    Raises:
        InputError: if image models have no pictures to learn from or to score.
    """
    layout, inputs = RunLayout(folder), settled(inputs)
    files = inputs.fingerprints()

    def of(*names: str) -> dict[str, str]:
        return {name: digest for name, digest in files.items() if name.partition(".")[0] in names}

    data = {"recipe": document_of(inputs.recipe), **of("train", "past")}
    features = of("features", "image_scores")
    stages = [
        Stage("data", lambda: _read_data(inputs, layout), data, (layout.lesions, layout.recipe)),
        Stage("folds", lambda: _deal_folds(inputs, layout), of("folds"), (layout.folds,)),
        *image_stages(inputs, layout, files, on_training),
        Stage("features", lambda: _compute_features(inputs, layout, threads), features, (layout.features,)),
    ]
    stages += [_model_stage(inputs, layout, config, on_progress) for config in inputs.recipe.models]
    stages += [
        Stage("stack", lambda: _stack(inputs, layout), {}, (layout.stack,)),
        Stage("report", lambda: _report(inputs, layout), {}, (layout.report,)),
    ]
    if inputs.test is not None:
        stages += test_image_stages(inputs, layout, files, on_pictures)
        given = of("test", "test_image_scores", "past")
        stages.append(Stage("submission", lambda: _submit(inputs, layout), given, (layout.submission,)))
    return stages


def feature_set_of(recipe: Recipe, image_models: tuple[str, ...] = ()) -> FeatureSet:
    """Return the features of a recipe.

    Args:
        recipe: names the set, and what is added to it.
        image_models: of which there are scores.

    Raises:
        InputError: if a set is neither in the catalogue nor a file of one.
    """
    name = recipe.features.set
    chosen = CATALOGUE[name]() if name in CATALOGUE else read_feature_set(Path(name))
    if recipe.features.past:
        chosen = chosen.joined(past_features(), name=chosen.name)
    if recipe.features.image_scores and image_models:
        chosen = chosen.joined(image_features(image_models), name=chosen.name)
    return chosen


def _read_data(inputs: RunInputs, layout: RunLayout) -> Mapping[str, object]:
    """Check what was given, join what is known beside the training rows, and keep them typed."""
    _check_rest(inputs)
    report = check(inputs.data, images="none")
    groups = report.groups()
    write_json(layout.findings, {"rows": report.rows, "fatal": report.fatal, "groups": jsonable(groups)})
    if report.fatal:
        first = groups[0].first
        where = f", line {first.line}" if first.line is not None else ""
        raise InputError(
            f"{inputs.data.metadata}{where}: {first.kind}: expected {first.expected}, got {first.value} "
            f"({report.fatal} fatal findings)",
            fix=f"See them all with `isic data check {inputs.data.folder}`",
        )
    rows = inputs.data.read()
    if inputs.recipe.features.past:
        rows = join_past(rows, read_past(inputs.past).frame)
    with atomic_writer(layout.lesions) as stream:
        rows.write_parquet(stream)
    write_json(layout.recipe, document_of(inputs.recipe))
    return {
        "rows": len(rows),
        "patients": rows["patient_id"].n_unique(),
        "malignant": int(rows["target"].sum()),
        "warnings": report.warnings,
    }


def _check_rest(inputs: RunInputs) -> None:
    """Refuse now what a later stage could not use."""
    feature_set_of(inputs.recipe)
    if inputs.test is not None:
        inputs.test.read(["isic_id", "patient_id", "attribution"])
    given, test_given = scored_models(inputs.image_scores), scored_models(inputs.test_image_scores)
    if inputs.test is not None and given != test_given:
        lacking = min(set(given) ^ set(test_given))
        there, missing = ("training", "test") if lacking in given else ("test", "training")
        raise InputError(
            f"image scores of the model {lacking!r} were given for {there} lesions, and none for {missing} lesions",
            fix="Give the scores of the same models for both",
        )
    columns: dict[str, str] = {}
    for model in (*given, *(config.name for config in inputs.recipe.images)):
        column = image_column(model)
        if column in columns or column in frame_schema("train"):
            other = repr(columns[column]) if column in columns else "a column of the table"
            raise InputError(f"image model {model!r}: its name cannot be told from {other}", fix="Rename the model")
        columns[column] = model
    for model in (config.name for config in inputs.recipe.models):
        if model in given:
            raise InputError(f"image model {model!r}: a table model of the recipe has this name", fix="Rename it")
    check_weights(inputs.recipe.images)


def _deal_folds(inputs: RunInputs, layout: RunLayout) -> Mapping[str, object]:
    rows = _lesions(layout, ["isic_id", "patient_id", "target", "attribution"])
    if inputs.folds is not None:
        folds = read_folds(inputs.folds)
        _check_folds(folds, rows, inputs.folds)
        check_patients(folds, rows, inputs.folds)
    else:
        part = inputs.recipe.folds
        assign = assign_hospital_folds if part.scheme == "hospitals" else assign_patient_folds
        folds = assign(rows, num_folds=part.count, seed=part.seed)
    write_folds(folds, layout.folds)
    return {"scheme": folds.scheme, "folds": folds.num_folds, "fingerprint": folds.fingerprint}


def _check_folds(folds: Folds, rows: DataFrame, file: Path) -> None:
    for one, other, said in (
        (rows, folds.frame, f"{file}: has no fold for {{}} of the data"),
        (folds.frame, rows, f"{file}: has a fold for {{}}, which is not in the data"),
    ):
        lost = one.join(other, on="isic_id", how="anti", maintain_order="left")
        if len(lost):
            raise InputError(said.format(lost["isic_id"][0]), fix="Make folds of this data with `isic folds`")


def _compute_features(inputs: RunInputs, layout: RunLayout, threads: int) -> Mapping[str, object]:
    folds = read_folds(layout.folds)
    rows = _lesions(layout)
    models: tuple[str, ...] = ()
    scores = image_scores_of(inputs, layout, folds)
    layout.image_scores.unlink(missing_ok=True)  # of an earlier recipe: the stack takes what lies there
    if scores is not None:
        write_scores(layout.image_scores, scores, folds)
        models = tuple(scores["model"].unique().sort())
        if inputs.recipe.features.image_scores:
            rows = join_scores(rows, unseen_scores(scores, folds))
    feature_set = feature_set_of(inputs.recipe, models)
    write_feature_set(feature_set, layout.feature_set)
    table = write_features(rows, feature_set, layout.features, folds, threads=threads)
    return {"features": len(table.names), "rows": len(table), "image_models": list(models)}


def _model_stage(inputs: RunInputs, layout: RunLayout, config: BoosterConfig, on_progress: OnProgress | None) -> Stage:
    def work() -> Mapping[str, object]:
        record = train_table(
            layout.features,
            read_folds(layout.folds),
            _lesions(layout, ["isic_id", "target", "iddx_1", "attribution"]),
            config,
            layout.model(config.name),
            engine=inputs.engine,
            on_progress=on_progress,
        )
        together = record.quality[-1]
        per_fold = [quality.partial_auc for quality in record.quality[:-1]]
        return {
            "features": len(record.names),
            "pauc": together.partial_auc,
            "auc": together.auc,
            "pauc_by_fold": per_fold,
        }

    return Stage(f"model {config.name}", work, {}, (layout.model(config.name),))


def stack_config_of(recipe: Recipe, image_models: tuple[str, ...] = (), scheme: Scheme = "patients") -> StackConfig:
    """Return how a recipe's models are stacked.

    Image models take part for known hospitals too, whatever table models the recipe names for these.

    Models that look at the hospital are of no use for a hospital they have not seen; unless the recipe names others,
    the rest of its models and the image models themselves score these lesions. A model of the kind "blanked" is among
    them where whole hospitals were held out, for then alone its held-out scores are made as they would be there; or
    where there is no other.
    """
    images = tuple(map(escape, image_models))
    known = (*recipe.stack.known_models, *images) if recipe.stack.known_models else ()
    if recipe.stack.unknown_models:
        return replace(recipe.stack, known_models=known)
    kinds = {config.name: config.hospital_features for config in recipe.models}
    without = tuple(name for name, kind in kinds.items() if kind == "without")
    blanked = tuple(name for name, kind in kinds.items() if kind == "blanked")
    blind = (*without, *blanked) if scheme == "hospitals" else without or blanked
    unknown = (*map(escape, blind), *images) if blind else ()
    return replace(recipe.stack, known_models=known, unknown_models=unknown)


def _stack(inputs: RunInputs, layout: RunLayout) -> Mapping[str, object]:
    folds = read_folds(layout.folds)
    files = [layout.oof(config.name) for config in inputs.recipe.models]
    image_models: tuple[str, ...] = ()
    if layout.image_scores.exists():
        files.append(layout.image_scores)
        image_models = tuple(read_scores(layout.image_scores, folds)["model"].unique().sort())
    scores = read_many_scores(files, folds)
    config = stack_config_of(inputs.recipe, image_models, folds.scheme)
    stack = fit_stack(scores, _lesions(layout, ["isic_id", "target"]), folds, config)
    write_scores(layout.stacked, stack_held_out(stack, scores, folds), folds)
    write_stack(stack, layout.weights)
    return {
        "weights": {"known": stack.weights_known, "unknown": stack.weights_unknown},
        **{
            f"pauc_{name}": {line.name: line.estimate.pooled for line in blend.lines}
            for name, blend in (("known", stack.known), ("unknown", stack.unknown))
            if blend is not None
        },
    }


def _report(inputs: RunInputs, layout: RunLayout) -> Mapping[str, object]:
    sources = sources_of_run(layout.folder, data=inputs.data.folder)
    found = write_report(read_inputs(sources, title=f"Skin lesion triage: {inputs.recipe.name}"), layout.report)
    return {"headline": found.headline}


def _submit(inputs: RunInputs, layout: RunLayout) -> Mapping[str, object]:
    assert inputs.test is not None
    own = tuple(layout.test_image_scores(config.name) for config in inputs.recipe.images)
    files = (*inputs.test_image_scores, *own)
    image_scores = read_scores_by_model(files) if files else None
    predicted = predict(open_predictor(layout.folder), inputs.test, image_scores=image_scores, past=inputs.past)
    write_submission(predicted.frame, layout.submission)
    return {
        "rows": len(predicted.frame),
        "of_unknown_hospitals": predicted.unknown,
        "without_image_scores": predicted.unpictured,
    }


def _lesions(layout: RunLayout, columns: Sequence[str] | None = None) -> DataFrame:
    import polars as pl

    return pl.read_parquet(layout.lesions, columns=None if columns is None else list(columns))
