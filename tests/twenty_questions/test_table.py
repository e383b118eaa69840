"""The answer table as an artefact: round trips, and damage that is named instead of suffered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.artifacts import fingerprint_of, write_tensors
from furikaeri_common.errors import InputError
from twenty_questions.questions import Question, alphabetical, letter
from twenty_questions.table import (
    UNCERTAIN,
    UNLABELLED,
    AnswerTable,
    code_of,
    open_table,
    probability_of,
    save_table,
    table_alone,
    table_fingerprint,
)
from twenty_questions.words import Keyword


def small_table(**changes) -> AnswerTable:
    parts = {
        "keywords": (Keyword("cup", ("mug", "beaker")), Keyword("Éclair"), Keyword('a "quoted" thing')),
        "questions": (
            Question("round", "Is it round?"),
            letter("starts", "c"),
            alphabetical("dog"),
            Question("q", "?"),
        ),
        "codes": np.arange(12, dtype=np.uint8).reshape(3, 4) * 23,
        "prior": np.array([0.5, 0.25, 0.25]),
        "provenance": {"source": "by hand", "version": 3},
    }
    return AnswerTable(**(parts | changes))


@pytest.fixture
def folder(tmp_path):
    save_table(small_table(), tmp_path / "table")
    return tmp_path / "table"


def rewrite_row(path, number: int, **changes) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows[number - 1] = {key: value for key, value in (rows[number - 1] | changes).items() if value is not ...}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_round_trip(folder) -> None:
    saved, opened = small_table(), open_table(folder, verify=True)
    assert opened.keywords == saved.keywords
    assert opened.questions == saved.questions
    assert opened.provenance == saved.provenance
    np.testing.assert_array_equal(opened.codes, saved.codes)
    np.testing.assert_array_equal(opened.prior, saved.prior)


def test_the_matrix_is_mapped_and_cannot_be_written(folder) -> None:
    codes = open_table(folder).codes
    assert isinstance(codes, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        codes[0, 0] = 1


def test_a_strided_matrix_is_saved_as_it_reads(tmp_path) -> None:
    table = small_table(codes=np.asfortranarray(small_table().codes))
    save_table(table, tmp_path)
    np.testing.assert_array_equal(open_table(tmp_path, verify=True).codes, table.codes)


def test_saving_again_replaces(folder) -> None:
    save_table(small_table(codes=np.zeros((3, 4), np.uint8)), folder)
    assert not open_table(folder, verify=True).codes.any()
    assert sorted(path.name for path in folder.iterdir()) == [
        "answers.safetensors",
        "keywords.jsonl",
        "manifest.json",
        "questions.jsonl",
    ]


def test_a_save_that_breaks_off_leaves_no_table(folder, monkeypatch) -> None:
    def disk_full(path, tensors) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("twenty_questions.table.write_tensors", disk_full)
    with pytest.raises(OSError, match="no space"):
        save_table(small_table(), folder)
    with pytest.raises(InputError, match=r"manifest\.json"):
        open_table(folder)


def test_codes_are_never_certain() -> None:
    p = probability_of(np.arange(256, dtype=np.uint8))
    assert p[0] == pytest.approx(1 / 510)
    assert p[254] == pytest.approx(509 / 510)
    assert p[UNCERTAIN] == 0.5
    assert p[UNLABELLED] == 0.5
    np.testing.assert_allclose(p[:255] + p[254::-1], 1, rtol=1e-15)
    np.testing.assert_allclose(np.diff(p[:255]), 1 / 255, rtol=1e-12)
    assert probability_of([[3], [4]]).shape == (2, 1)


def test_code_of_goes_back() -> None:
    codes = np.arange(255, dtype=np.uint8)
    np.testing.assert_array_equal(code_of(probability_of(codes)), codes)
    assert code_of([0, 0.5, 1, np.nan]).tolist() == [0, UNCERTAIN, 254, UNLABELLED]
    assert code_of(0.5).dtype == np.uint8


@given(st.floats(0, 1))
def test_rounding_is_within_half_a_step(p: float) -> None:
    assert abs(float(probability_of(code_of(p))) - p) <= 1 / 510 + 1e-15


@pytest.mark.parametrize("p", [-0.01, 1.01, np.inf, -np.inf])
def test_only_probabilities_have_codes(p: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        code_of([0.5, p])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"codes": np.zeros((3, 4))}, TypeError, "uint8"),
        ({"codes": np.zeros((4, 3), np.uint8)}, ValueError, r"\(3, 4\), got \(4, 3\)"),
        ({"prior": np.ones(2) / 2}, ValueError, r"shape \(3,\)"),
        ({"prior": np.array([0.5, 0.5, 0.0])}, ValueError, "positive numbers that sum to 1"),
        ({"prior": np.array([0.5, 0.5, 0.5])}, ValueError, "sum to 1"),
        ({"prior": np.array([0.5, 0.5, np.nan])}, ValueError, "positive"),
        ({"keywords": (), "codes": np.zeros((0, 4), np.uint8), "prior": np.zeros(0)}, ValueError, "empty"),
        ({"questions": (), "codes": np.zeros((3, 0), np.uint8)}, ValueError, "empty"),
        ({"questions": (Question("a", "A?"),) * 4}, ValueError, "unique"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, error, message: str) -> None:
    with pytest.raises(error, match=message):
        small_table(**changes)


@pytest.mark.parametrize("name", ["manifest.json", "keywords.jsonl", "questions.jsonl", "answers.safetensors"])
def test_a_missing_file_is_named(folder, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        open_table(folder)


@pytest.mark.parametrize("name", ["manifest.json", "keywords.jsonl", "questions.jsonl", "answers.safetensors"])
@pytest.mark.parametrize("left", [0, 1, 9, 40, -2])
def test_a_file_that_was_cut_is_named(folder, name: str, left: int) -> None:
    path = folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    with pytest.raises(InputError) as caught:
        open_table(folder, verify=True)
    assert name in caught.value.message


@pytest.mark.parametrize("name", ["keywords.jsonl", "questions.jsonl", "answers.safetensors"])
def test_a_changed_byte_is_found_by_its_hash(folder, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: differs from the manifest's SHA-256"):
        open_table(folder, verify=True)


def test_a_folder_that_is_none(tmp_path) -> None:
    with pytest.raises(InputError, match="there is no table folder"):
        open_table(tmp_path / "none")


@pytest.mark.parametrize("manifest", [[], "text", {}, {"format": "furikaeri answer table 999"}])
def test_another_format_is_named(folder, manifest) -> None:
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json: expected the format"):
        open_table(folder)


@pytest.mark.parametrize("hashes", [None, {}, {"keywords.jsonl": "0"}, "none"])
def test_hashes_are_wanted_only_for_verifying(folder, hashes) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sha256": hashes}))
    assert len(open_table(folder).keywords) == 3
    with pytest.raises(InputError, match="SHA-256"):
        open_table(folder, verify=True)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"codes": np.zeros((3, 4), np.float32)}, "uint8"),
        ({"codes": np.zeros((4, 3), np.uint8)}, "shape"),
        ({"codes": np.zeros(12, np.uint8)}, "shape"),
        ({"other": np.zeros((3, 4), np.uint8)}, "no readable array 'codes'"),
    ],
)
def test_a_wrong_matrix_is_named(folder, tensors, message: str) -> None:
    write_tensors(folder / "answers.safetensors", tensors)
    with pytest.raises(InputError, match=message):
        open_table(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Mug "}, None),
        ({"name": "the CUP"}, "row 2: 'the CUP' is already in row 1"),
        ({"name": ""}, "row 2: not a keyword"),
        ({"name": 7}, "row 2: not a keyword"),
        ({"name": ...}, "row 2: not a keyword .no field 'name'"),
        ({"alts": "mug"}, "row 2: not a keyword .expected a name and a list of alts"),
        ({"alts": [3]}, "row 2: not a keyword"),
        ({"prior": ...}, "row 2: not a keyword .no field 'prior'"),
        ({"prior": 0}, "row 2: not a keyword .expected a positive prior"),
        ({"prior": -1}, "row 2"),
        ({"prior": "much"}, "row 2"),
        ({"prior": None}, "row 2"),
    ],
)
def test_a_bad_keyword_is_named_by_its_row(folder, changes, message: str | None) -> None:
    rewrite_row(folder / "keywords.jsonl", 2, **changes)
    if message is None:
        assert open_table(folder).keywords[1].name == "Mug "
        return
    with pytest.raises(InputError, match=rf"keywords\.jsonl, {message}"):
        open_table(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "round"}, "row 2: 'round' is already in row 1"),
        ({"kind": "riddle"}, "row 2: not a question"),
        ({"text": " "}, "row 2: not a question"),
        ({"text": "x" * 751}, "row 2: not a question"),
        ({"text": ...}, "row 2: not a question .no field 'text'"),
        ({"key": 3}, "row 2: not a question"),
    ],
)
def test_a_bad_question_is_named_by_its_row(folder, changes, message: str) -> None:
    rewrite_row(folder / "questions.jsonl", 2, **changes)
    with pytest.raises(InputError, match=rf"questions\.jsonl, {message}"):
        open_table(folder)


@pytest.mark.parametrize("name", ["keywords.jsonl", "questions.jsonl"])
def test_an_empty_list_is_named(folder, name: str) -> None:
    (folder / name).write_text("")
    with pytest.raises(InputError, match=rf"{name}: holds no"):
        open_table(folder)


def test_weights_that_do_not_sum_to_one_are_scaled(folder) -> None:
    rewrite_row(folder / "keywords.jsonl", 1, prior=1.5)
    np.testing.assert_allclose(open_table(folder).prior, [0.75, 0.125, 0.125])


def test_a_table_goes_elsewhere_without_the_shards_that_lie_beside_it(tmp_path: Path) -> None:
    folder, links = tmp_path / "table", tmp_path / "links"
    save_table(small_table(), folder)
    assert table_alone(folder, links) == folder
    assert not links.exists()
    before = table_fingerprint(folder)
    (folder / "shards").mkdir()
    (folder / "shards" / "000000.parquet").write_bytes(bytes(10))
    assert table_alone(folder, links) == links
    assert fingerprint_of(links) == table_fingerprint(folder) == before
    moved = folder.rename(tmp_path / "moved")
    assert table_alone(moved, links) == links
    assert fingerprint_of(links) == before
    assert open_table(links).keywords == small_table().keywords
