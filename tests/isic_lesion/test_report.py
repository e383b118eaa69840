"""The report: right numbers, a sound page that loads nothing, and names from strangers that stay text."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
from PIL import Image

from furikaeri_common.errors import InputError, MissingExtraError
from isic_lesion import partial_auc
from isic_lesion.folds.dealing import Folds, assign_hospital_folds, assign_patient_folds
from isic_lesion.metrics.calibration import brier_score
from isic_lesion.report import ReportInputs, find, render_report, write_report
from isic_lesion.report.inputs import UNSEEN

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>$\\frac{1}{2}$"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects what a page holds, and checks that its tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def assert_loads_nothing(text: str, page: Page) -> None:
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed", "base", "form"})
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "srcset", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"url\((?!#)|@import|javascript:", re.sub(r">[^<]*<", "><", text))


def lesions(number: int = 600, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    target = (rng.random(number) < 0.1).astype(np.int8)
    return pl.DataFrame(
        {
            "isic_id": [f"ISIC_{row:07}" for row in range(number)],
            "target": target,
            "patient_id": [f"IP_{row}" for row in rng.integers(0, 60, number)],
            "age_approx": rng.choice([None, 15.0, 40.0, 65.0], number).tolist(),
            "sex": rng.choice([None, "male", "female"], number).tolist(),
            "anatom_site_general": rng.choice(["head/neck", "lower extremity"], number),
            "attribution": rng.choice(["University Hospital of Basel", "ACEMID MIA", "Elsewhere"], number),
            "tbp_tile_type": rng.choice(["3D: XP", "3D: white"], number),
            "copyright_license": rng.choice(["CC-BY", "CC-BY-NC", "CC-0"], number),
            "clin_size_long_diam_mm": rng.uniform(1, 9, number),
            "iddx_full": np.where(target == 1, "Malignant::Melanocytic::Melanoma in situ", "Benign"),
        },
        schema_overrides={"target": pl.Int8},
    )


def scored(table: pl.DataFrame, names: tuple[str, ...] = ("gbdt", "mlp"), folds: Folds | None = None) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    frames = []
    dealt = folds or assign_patient_folds(table)
    for number, name in enumerate(names):
        score = 1 / (1 + np.exp(3 - rng.normal(size=len(table)) - (2 - number) * table["target"].to_numpy()))
        for k in range(dealt.num_folds):
            _, held = dealt.split(table["isic_id"], k)
            columns = {"isic_id": table["isic_id"].filter(pl.Series(held)), "score": score[held]}
            frames.append(pl.DataFrame(columns).with_columns(fold=pl.lit(k, pl.UInt8), model=pl.lit(name)))
    return pl.concat(frames).select("isic_id", "fold", "model", "score")


def inputs(**changes) -> ReportInputs:
    table = changes.pop("metadata", lesions())
    scores = changes.pop("scores", None)
    return ReportInputs(
        metadata=table, scores=scored(table) if scores is None else scores, **{"num_resamples": 50, **changes}
    )


def rendered(given: ReportInputs) -> tuple[str, Page]:
    text = render_report(given, find(given))
    page = Page(text)
    assert_loads_nothing(text, page)
    return text, page


def crops_of(path: Path, names: list[str]) -> Path:
    with h5py.File(path, "w") as file:
        for number, name in enumerate(names):
            picture = path.with_suffix(".jpg")
            Image.new("RGB", (60 + number, 60 + number), (200, 150, number)).save(picture)
            content = picture.read_bytes()
            file.create_dataset(name, data=np.array(content, dtype=f"S{len(content)}"))
        file.create_dataset("ISIC_broken", data=np.array(b"no jpeg", dtype="S7"))
    return path


def test_numbers_are_the_metrics_of_each_model() -> None:
    given = inputs()
    found = find(given)
    assert [model.name for model in found.models] == ["gbdt", "mlp"]
    assert (found.headline, found.chosen) == ("gbdt", "best")
    truth = given.metadata["target"].to_numpy()
    for model in found.models:
        rows = given.scores.filter(model=model.name).sort("isic_id")
        assert model.partial_auc.value == partial_auc(truth, rows["score"].to_numpy())
        assert model.partial_auc.low < model.partial_auc.value < model.partial_auc.high
        assert sum(row.lesions for row in model.groups["attribution"]) == model.lesions == len(truth)
        assert [row.group for row in model.groups["fold"]] == list("01234")
        assert [row.group for row in model.groups["age_band"]] == ["0-19", "40-59", "60-79", None]
    first, second = found.models
    assert first.difference is None
    assert second.difference is not None
    assert second.difference.value == pytest.approx(second.partial_auc.value - first.partial_auc.value)
    assert found.calibration is not None
    assert list(found.calibration.rows) == ["as scored", "Platt", "isotonic"]
    best = given.scores.filter(model="gbdt").sort("isic_id")["score"].to_numpy()
    assert found.calibration.rows["as scored"].brier.score == pytest.approx(brier_score(truth, best))
    assert found.calibration.rows["Platt"].expected_calibration_error < 0.05
    assert found.licences == dict(given.metadata["copyright_license"].value_counts().rows())
    assert list(found.licences.values()) == sorted(found.licences.values(), reverse=True)


def test_a_page_that_says_the_important_and_loads_nothing(tmp_path: Path) -> None:
    table = lesions()
    given = inputs(
        metadata=table,
        images=crops_of(tmp_path / "images.hdf5", table["isic_id"].to_list()[::2]),
        stack={"known": {"gbdt": 0.7, "mlp": 0.3}, "unknown": {"mlp": 1.0}},
        importances=pl.DataFrame({"feature": ["a", "b", "a"], "importance": [3.0, 1.0, 2.0], "model": ["g", "g", "m"]}),
        about={"Made of": "a folder"},
    )
    text, page = rendered(given)
    for words in (
        "This is no medical device.",
        "CC-BY-NC as a whole",
        "pAUC above 80 % TPR",
        "Worst misses",
        "Most suspicious lesions that are not malignant",
        "University Hospital of Basel",
        "Hospitals not seen in training",
        "87.50 %",  # of a: (3/4 + 1) / 2
        "Melanoma in situ",
        "a folder",
        "no crop",
    ):
        assert words in page.text, words
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert 20 < len(pictures) < 600
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 5
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    anchors = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {f"#{name}" for name in identifiers} >= set(anchors)
    assert "http" not in text.replace("http-equiv", "")


def test_the_same_inputs_write_the_same_bytes(tmp_path: Path) -> None:
    table = lesions(200)
    given = inputs(metadata=table, scores=scored(table, ("gbdt",)))
    first, second = tmp_path / "a.html", tmp_path / "b.html"
    assert write_report(given, first).headline == "gbdt"
    write_report(inputs(metadata=table, scores=scored(table, ("gbdt",)).reverse()), second)
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] != []
    assert len(list(tmp_path.iterdir())) == 2


def test_names_from_strangers_stay_text() -> None:
    table = lesions(200)
    hostile = pl.lit(HOSTILE)
    columns = ("attribution", "anatom_site_general", "copyright_license", "iddx_full", "sex", "tbp_tile_type")
    table = table.with_columns(*(hostile.alias(name) for name in columns))
    table = table.with_columns(
        isic_id=pl.format("{}{}", hostile, "isic_id"), patient_id=pl.format("{}{}", hostile, "patient_id")
    )
    scores = scored(table, (HOSTILE, "_under", "漢字\u202e\x00"))
    given = inputs(
        metadata=table,
        scores=scores,
        title=HOSTILE,
        stack={HOSTILE: {HOSTILE: 1.0}},
        importances=pl.DataFrame({"feature": [HOSTILE], "importance": [1.0], "model": [HOSTILE]}),
        about={HOSTILE: HOSTILE},
    )
    text, page = rendered(given)
    assert "<script" not in text
    assert "<img" not in text
    assert not set("\u202e\x00") & set(text)
    assert page.text.count("alert(1)") > 50


def test_without_truth_there_are_lists_alone() -> None:
    table = lesions(200).drop("target", "iddx_full")
    scores = scored(lesions(200), ("gbdt",)).with_columns(fold=pl.lit(None, pl.UInt8))
    given = inputs(metadata=table, scores=scores)
    found = find(given)
    assert (found.models, found.calibration, found.malignant) == ((), None, None)
    _, page = rendered(given)
    assert "truth unknown" in page.text
    assert "Patient by patient" in page.text
    assert "Worst misses" not in page.text
    assert "pAUC by fold" not in page.text


@pytest.mark.parametrize("missing", [None, 0])
def test_truth_of_some_or_of_one_class_is_none(missing: int | None) -> None:
    table = lesions(100).with_columns(target=pl.lit(missing, pl.Int8))
    given = inputs(metadata=table, scores=scored(lesions(100)))
    assert find(given).models == ()
    rendered(given)


def test_the_least_that_a_report_needs() -> None:
    table = pl.DataFrame({"isic_id": ["a", "b", "c"]})
    scores = pl.DataFrame({"isic_id": ["a", "b"], "fold": [None, None], "model": ["m", "m"], "score": [1.0, 1.0]})
    given = inputs(metadata=table, scores=scores, num_resamples=0)
    _, page = rendered(given)
    assert "2 lesions of 2 patients" in page.text
    assert "1 more lesions have no score" in page.text


def test_few_lesions_with_truth_but_nothing_else() -> None:
    table = pl.DataFrame({"isic_id": ["a", "b", "c"], "target": [1, 0, 0]})
    scores = pl.DataFrame(
        {"isic_id": ["a", "b", "c"], "fold": [0, 0, 1], "model": ["m"] * 3, "score": [5.0, -1.0, 0.0]}
    )
    given = inputs(metadata=table, scores=scores)
    found = find(given)
    assert found.models[0].partial_auc.value == pytest.approx(0.2)
    assert np.isnan(found.models[0].partial_auc.low)
    assert found.calibration is not None
    assert (found.calibration.rows, found.calibration.on_log_odds) == ({}, False)
    assert found.calibration.platt is not None
    rendered(given)


def test_a_perfect_model_has_no_slope() -> None:
    table = lesions(300)
    scores = scored(table, ("gbdt",)).join(table.select("isic_id", "target"), on="isic_id")
    perfect = scores.with_columns(score=pl.col("target").cast(pl.Float64)).drop("target")
    found = find(inputs(metadata=table, scores=perfect))
    assert found.calibration is not None
    assert found.calibration.rows["as scored"].line is None
    rendered(inputs(metadata=table, scores=perfect))


def test_lesions_held_out_twice_have_the_mean_and_unseen_hospitals_a_model_of_their_own() -> None:
    table = lesions()
    folds = assign_hospital_folds(table, num_folds=3)
    scores = scored(table, ("gbdt", "mlp"), folds)
    whole = find(inputs(metadata=table, scores=scores))
    assert [model.lesions for model in whole.models] == [600, 600]
    parted = find(inputs(metadata=table, scores=scores, folds=folds))
    assert {model.name for model in parted.models} == {"gbdt", "mlp", "gbdt" + UNSEEN, "mlp" + UNSEEN}
    unseen = next(model for model in parted.models if model.name == "mlp" + UNSEEN)
    assert unseen.lesions == 600
    seen = next(model for model in parted.models if model.name == "gbdt")
    assert seen.lesions < 600
    assert seen.difference is not None
    rendered(inputs(metadata=table, scores=scores, folds=folds))


def test_models_of_other_lesions_are_compared_on_what_both_score() -> None:
    table = lesions()
    scores = scored(table)
    part = scores.filter((pl.col("model") == "gbdt") | (pl.col("isic_id") < "ISIC_0000300"))
    found = find(inputs(metadata=table, scores=part))
    small = next(model for model in found.models if model.name == "mlp")
    ids = table["isic_id"].head(300)
    truth = table["target"].head(300).to_numpy()
    areas = [
        partial_auc(truth, scores.filter(pl.col("isic_id").is_in(ids.implode()), model=name).sort("isic_id")["score"])
        for name in ("mlp", "gbdt")
    ]
    assert small.lesions == 300
    assert small.difference is not None
    assert small.difference.value == pytest.approx(areas[0] - areas[1])


def test_which_model_is_the_headline() -> None:
    table = lesions(300)
    scores = scored(table, ("gbdt", "stack"))
    assert (find(inputs(metadata=table, scores=scores)).headline) == "stack"
    assert find(inputs(metadata=table, scores=scores, headline="gbdt")).models[0].name == "gbdt"
    with pytest.raises(InputError, match=r"no scores of a model 'xgb'\. There are: gbdt, stack"):
        find(inputs(metadata=table, scores=scores, headline="xgb"))


def test_scores_of_other_lesions() -> None:
    table = lesions(300)
    with pytest.raises(InputError, match=r"ISIC_0000200, scored by 'gbdt', is not among the lesions \(100 are not\)"):
        find(inputs(metadata=table.head(200), scores=scored(table, ("gbdt",)).sort("isic_id")))
    with pytest.raises(InputError, match="there are no scores"):
        find(inputs(scores=scored(table).clear()))


def test_bad_inputs() -> None:
    table = lesions(10)
    with pytest.raises(ValueError, match="expected a column 'isic_id' in metadata"):
        ReportInputs(metadata=table.drop("isic_id"), scores=scored(lesions()))
    with pytest.raises(ValueError, match="expected a column 'model' in scores"):
        ReportInputs(metadata=table, scores=scored(lesions()).drop("model"))
    with pytest.raises(ValueError, match="expected num_resamples"):
        inputs(num_resamples=-1)


def test_without_the_extra(monkeypatch) -> None:
    given = inputs()
    found = find(given)
    for module in ("jinja2", "matplotlib"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(MissingExtraError, match=r"furikaeri-isic-lesion\[report\]"):
                render_report(given, found)
