"""Lesions scored a few patients at a time, with scores of image models that come one model after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.stages import run_stages
from isic_lesion import prediction
from isic_lesion.data.dataset import Lesions, open_lesions
from isic_lesion.folds.dealing import assign_patient_folds
from isic_lesion.picture_scores import predict_with_pictures
from isic_lesion.pipeline import stages_of
from isic_lesion.prediction import Predictor, open_predictor, predict
from isic_lesion.recipe import read_recipe
from isic_lesion.run_inputs import RunInputs
from isic_lesion.scores import average_members, read_many_scores, read_scores_by_model, score_models, write_scores
from isic_lesion.synthetic.folder import FolderConfig, make_folder

RECIPE = """
[features]
set = "few"

[[models]]
preset = "small-lightgbm"
rounds = 3
hospital_features = "without"

[folds]
count = 2

[stack]
trials = 2
"""
NAMES = ("net", "dense#1", "dense#2")


def scores_of(isic_ids: pl.Series, names: tuple[str, ...], seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frames = [
        pl.DataFrame({"isic_id": isic_ids, "model": pl.repeat(name, len(isic_ids), eager=True)}) for name in names
    ]
    scores = pl.concat(frames).with_columns(score=pl.Series(rng.random(len(names) * len(isic_ids))))
    return scores.with_columns(fold=pl.lit(None, dtype=pl.UInt8)).select("isic_id", "fold", "model", "score")


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = FolderConfig(
        rows=300, patients=20, malignant_share=0.1, test_rows=80, test_patients=7, images=False, seed=5
    )
    return make_folder(tmp_path_factory.mktemp("made-up") / "data", config, engine=LocalProcesses(0)).folder


@pytest.fixture(scope="module")
def lesions(made_up: Path) -> Lesions:
    return open_lesions(made_up, "test")


@pytest.fixture(scope="module")
def files(made_up: Path, lesions: Lesions, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Scores of two models, one of them with two members, in two files; some lesions have none of the first."""
    folder = tmp_path_factory.mktemp("scores")
    ids = lesions.read(["isic_id"])["isic_id"]
    write_scores(folder / "net.parquet", scores_of(ids.gather_every(2), NAMES[:1], 1))
    scores_of(ids, NAMES[1:], 2).write_csv(folder / "dense.csv")
    return folder / "net.parquet", folder / "dense.csv"


@pytest.fixture(scope="module")
def predictor(made_up: Path, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.toml").write_text(RECIPE)
    data = open_lesions(made_up)
    rows = data.read(["isic_id", "patient_id", "target", "attribution"])
    folds = assign_patient_folds(rows, num_folds=2)
    given = scores_of(rows["isic_id"], ("net", "dense"), 0).drop("fold")
    given = given.join(folds.frame.select("isic_id", "fold"), on="isic_id", how="left")
    write_scores(folder / "oof.parquet", given.select("isic_id", "fold", "model", "score"), folds)
    recipe = read_recipe(str(folder / "recipe.toml"))
    inputs = RunInputs(
        data=data, recipe=recipe, engine=LocalProcesses(0), image_scores=(folder / "oof.parquet",), test=None
    )
    run_stages(folder / "run", [stage for stage in stages_of(inputs, folder / "run") if stage.name != "report"])
    return open_predictor(folder / "run")


def test_models_one_by_one_are_all_of_them(files: tuple[Path, Path]) -> None:
    assert score_models(files) == ("dense", "net")
    tables = list(read_scores_by_model(files))
    assert [set(table["model"]) for table in tables] == [{"dense"}, {"net"}]
    assert pl.concat(tables).sort("isic_id", "model").equals(average_members(read_many_scores(files)))


def test_chunks_and_tables_of_scores_change_no_score(
    predictor: Predictor, lesions: Lesions, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predict(predictor, lesions, image_scores=average_members(read_many_scores(files)))
    assert whole.chunks == 1
    assert whole.unpictured == 40
    for at_once in (1, 7, 100_000):
        monkeypatch.setattr(prediction, "_ROWS_AT_ONCE", at_once)
        pieces = predict(predictor, lesions, image_scores=read_scores_by_model(files), chunk_rows=1)
        assert pieces.chunks == 7  # one for each patient
        assert pieces.unpictured == 40
        assert pieces.frame.equals(whole.frame)
    assert predict_with_pictures(predictor, lesions, image_scores=files, chunk_rows=30).frame.equals(whole.frame)


def test_scores_reach_the_rows_of_their_lesions(
    predictor: Predictor, lesions: Lesions, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    score_rows, seen = prediction.score_rows, []

    def watched(predictor: Predictor, rows: pl.DataFrame) -> dict[str, np.ndarray]:
        seen.append(rows.select("row", "isic_id", "image_net", "image_dense"))
        return score_rows(predictor, rows)

    monkeypatch.setattr(prediction, "score_rows", watched)
    predict(predictor, lesions, image_scores=read_scores_by_model(files), chunk_rows=20)
    assert len(seen) > 3
    assert all(rows["row"].is_sorted() for rows in seen)  # in the table's order, which some features look at
    found = pl.concat(seen).sort("row")
    expected = lesions.read(["isic_id"]).with_row_index("row")
    for table in read_scores_by_model(files):
        column = f"image_{table['model'][0]}"
        own = table.select("isic_id", pl.col("score").alias(column))
        expected = expected.join(own, on="isic_id", how="left", maintain_order="left")
    assert found.equals(expected.select(found.columns))


def test_what_is_missing_or_there_twice_is_told(
    predictor: Predictor, lesions: Lesions, files: tuple[Path, Path], tmp_path: Path
) -> None:
    def only(model: str) -> Iterator[pl.DataFrame]:
        yield from (table for table in read_scores_by_model(files) if table["model"][0] == model)

    with pytest.raises(InputError, match="scores of the image model 'net', and none were given"):
        predict(predictor, lesions, image_scores=only("dense"))
    again = read_many_scores(files[:1])
    again.write_csv(tmp_path / "again.csv")
    with pytest.raises(InputError, match=r"again\.csv: ISIC_\d+ has a score of 'net' in .*net\.parquet already"):
        list(read_scores_by_model((*files, tmp_path / "again.csv")))
    pl.concat([again, again.head(1)]).write_csv(tmp_path / "again.csv")
    with pytest.raises(InputError, match="more than once without a fold"):
        list(read_scores_by_model((tmp_path / "again.csv",)))
    again.with_columns(model=pl.lit("")).write_parquet(tmp_path / "nameless.parquet")
    with pytest.raises(InputError, match="has a score of no model"):
        score_models((tmp_path / "nameless.parquet",))
    again.clear().write_parquet(tmp_path / "empty.parquet")
    with pytest.raises(InputError, match="holds no scores"):
        list(read_scores_by_model((tmp_path / "empty.parquet",)))
    again.drop("model").write_parquet(tmp_path / "lacking.parquet")
    with pytest.raises(InputError, match="no column 'model'"):
        score_models((tmp_path / "lacking.parquet",))
    (tmp_path / "cut.parquet").write_bytes(files[0].read_bytes()[:-9])
    with pytest.raises(InputError, match="is cut short or damaged"):
        score_models((tmp_path / "cut.parquet",))
