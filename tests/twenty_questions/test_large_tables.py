"""What is done block by block, so that large tables fit, gives what the short way gives."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save

from furikaeri_common.artifacts import fingerprint_of, map_tensor, write_tensors
from twenty_questions import lookahead, quality, thinking
from twenty_questions.labelling.shard_files import ShardContent, encode_shard
from twenty_questions.lookahead import entropy_left_after_guess
from twenty_questions.questions import Question
from twenty_questions.simulated_partners import table_partner
from twenty_questions.table import AnswerTable, open_table, probability_of, save_table, table_fingerprint
from twenty_questions.words import Keyword


def random_table(num_keywords: int, num_questions: int, seed: int = 0) -> AnswerTable:
    rng = np.random.default_rng(seed)
    prior = rng.exponential(size=num_keywords)
    return AnswerTable(
        tuple(Keyword(f"thing {number}") for number in range(num_keywords)),
        tuple(Question(f"q{number}", f"Is it like {number}?") for number in range(num_questions)),
        rng.integers(0, 256, size=(num_keywords, num_questions), dtype=np.uint8),
        prior / prior.sum(),
    )


def test_arrays_are_written_as_the_safetensors_library_writes_them(tmp_path: Path) -> None:
    kinds = ("u1", "i1", "<i4", "<i8", "<f2", "<f4", "<f8")
    arrays = {f"{name}{kind}": np.arange(6).astype(kind).reshape(2, 3) for kind in kinds for name in ("b", 'a é"')}
    arrays |= {"none": np.zeros((0, 4)), "one": np.array(3.0)}
    write_tensors(tmp_path / "t", {**arrays, "turned": np.arange(6.0).reshape(2, 3).T})
    assert (tmp_path / "t").read_bytes() == save({**arrays, "turned": np.arange(6.0).reshape(2, 3).T.copy()})
    write_tensors(tmp_path / "t", {})
    assert (tmp_path / "t").read_bytes() == save({})
    with pytest.raises(TypeError, match="got 'x' of complex128"):
        write_tensors(tmp_path / "x", {"x": np.zeros(2, complex)})
    assert not (tmp_path / "x").exists()


def test_a_table_is_saved_without_a_copy_of_it(tmp_path: Path) -> None:
    table = random_table(4_000, 1_000)
    tracemalloc.start()
    save_table(table, tmp_path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < table.codes.nbytes / 2
    np.testing.assert_array_equal(map_tensor(tmp_path / "answers.safetensors", "codes"), table.codes)


def test_a_table_is_known_by_its_own_files(tmp_path: Path) -> None:
    save_table(random_table(5, 4), tmp_path)
    alone = table_fingerprint(tmp_path)
    assert alone == fingerprint_of(tmp_path)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "000000.parquet").write_bytes(b"labels")
    assert table_fingerprint(tmp_path) == alone != fingerprint_of(tmp_path)
    save_table(random_table(5, 4, seed=1), tmp_path)
    assert table_fingerprint(tmp_path) != alone


def test_a_partner_and_figures_hold_no_copy_of_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_CELLS_AT_ONCE", 100_000)
    made = random_table(2_000, 1_000)
    save_table(made, tmp_path)
    table = open_table(tmp_path)
    rng = np.random.default_rng(0)
    tracemalloc.start()
    partner = table_partner(table)
    said = [partner(Keyword("something else"), table.questions[7], rng) for _ in range(500)]
    known = [partner(table.keywords[3], question, rng) for question in table.questions[:40]]
    share = quality.uncertain_share(table)
    most_common = quality.majority_shares(table)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < table.codes.nbytes
    signs = quality.definite(made)
    for answer, sign in zip(known, signs[3, :40].tolist(), strict=True):
        assert sign == 0 or answer == ("yes" if sign > 0 else "no")
    expected = float(made.prior @ probability_of(made.codes[:, 7]))
    assert said.count("yes") / 500 == pytest.approx(expected, abs=0.09)
    assert share == (signs == 0).mean()
    np.testing.assert_array_equal(most_common, np.maximum((signs > 0).mean(axis=0), (signs < 0).mean(axis=0)))


@pytest.mark.parametrize("at_once", [1, 37, 1 << 20])
def test_blocks_of_any_size_count_alike(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table(30, 11)
    signs = quality.definite(table)
    monkeypatch.setattr(quality, "_CELLS_AT_ONCE", at_once)
    assert quality.uncertain_share(table) == (signs == 0).mean()
    expected = np.maximum((signs > 0).mean(axis=0), (signs < 0).mean(axis=0))
    np.testing.assert_array_equal(quality.majority_shares(table), expected)


@pytest.mark.parametrize("at_once", [1, 50, 1 << 20])
def test_what_a_guess_leaves_does_not_depend_on_the_blocks(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = random_table(25, 40)
    noise = np.linspace(0, 0.4, 40)
    whole = entropy_left_after_guess(table.codes, table.prior, noise=noise)
    columns = np.array([3, 39, 0, 17])
    monkeypatch.setattr(lookahead, "_CELLS_AT_ONCE", at_once)
    some = entropy_left_after_guess(table.codes, table.prior, noise=noise, columns=columns)
    np.testing.assert_allclose(some, whole[columns], atol=1e-12)
    np.testing.assert_allclose(entropy_left_after_guess(table.codes, table.prior, noise=noise), whole, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_a_hint_is_the_sure_yes_of_the_least_mass(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinking, "_ROWS", rows)
    table = random_table(40, 60)
    game = thinking.begin(table, np.random.default_rng(2))
    game = game._replace(fits=np.random.default_rng(3).random(40) < 0.7)
    game.fits[game.row] = True
    sure = probability_of(table.codes) >= 0.9
    left = {column for column in range(60) if sure[game.row, column]}
    assert len(left) > 2
    while left:
        found = thinking.hint(table, game)
        assert found is not None
        after, question, told = found
        mass = {column: table.prior[game.fits & sure[:, column]].sum() for column in sorted(left)}
        column = int(question.key.removeprefix("q"))
        assert mass[column] == pytest.approx(min(mass.values()), abs=1e-12)
        np.testing.assert_array_equal(after.fits, game.fits & sure[:, column])
        assert told.left == after.fits.sum()
        left.remove(column)
        game = after
    assert thinking.hint(table, game) is None


@pytest.mark.parametrize(("num_keywords", "num_questions"), [(1, 1), (3, 7), (16, 40), (0, 4)])
def test_a_shard_names_every_pair_in_order(num_keywords: int, num_questions: int, tmp_path: Path) -> None:
    keywords = [f"Kettle é {number}" for number in range(num_keywords)]
    questions = [f"Is it larger than {number}?" for number in range(num_questions)]
    p_yes = np.random.default_rng(0).random((num_keywords, num_questions), dtype=np.float32)
    content = ShardContent("model", {"a": 1}, "0" * 64, 0, keywords, questions, p_yes)
    (tmp_path / "shard.parquet").write_bytes(encode_shard(content))
    frame = pl.read_parquet(tmp_path / "shard.parquet")
    assert frame.schema == {"model": pl.String, "keyword": pl.String, "question": pl.String, "p_yes": pl.Float32}
    assert list(frame.select("keyword", "question").iter_rows()) == list(itertools.product(keywords, questions))
    np.testing.assert_array_equal(frame["p_yes"].to_numpy(), p_yes.ravel())
    assert set(frame["model"]) <= {"model"}
