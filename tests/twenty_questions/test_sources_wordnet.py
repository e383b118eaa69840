"""WordNet's nouns: a small database made here, broken in many ways, and the real one where it is installed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError
from twenty_questions.sources.neighbours import wordnet_neighbours
from twenty_questions.sources.wordnet import (
    WordNet,
    definition,
    descendants,
    find_synset,
    lemma_names,
    read_wordnet,
    senses,
    synset_at,
)
from twenty_questions.words import Keyword

# name -> words, what it is a kind of, what it is an instance of, gloss
SMALL: Mapping[str, tuple[Sequence[str], Sequence[str], Sequence[str], str]] = {
    "thing": (["thing"], [], [], "whatever there is"),
    "animal": (["animal", "beast"], ["thing"], [], 'it lives; "an animal ran by"'),
    "dog": (["dog", "domestic_dog", "hot_dog"], ["animal"], [], 'it barks; man\'s friend; "the dog barked all night"'),
    "cat": (["cat"], ["animal"], [], "it purrs"),
    "pet": (["pet"], ["thing"], [], "it is kept"),
    "lap dog": (["lapdog"], ["dog", "pet"], [], "it sits"),
    "Laika": (["Laika"], [], ["dog"], "it flew"),
    "sausage": (["hot_dog", "red-hot"], ["thing"], [], "it is eaten"),
    "knife": (["knife"], ["thing"], [], "it cuts"),
    "watch": (["watch"], ["thing"], [], "it ticks"),
    "t-shirt": (["T-shirt"], ["thing"], [], "it is worn"),
    "axle": (["axletree"], ["thing"], [], "it turns"),
}
LICENCE = ["  1 A licence, in lines  ", "  2 that begin with two spaces.  "]


def write_small(folder: Path, synsets: Mapping = SMALL, *, newline: str = "\n") -> Path:
    """Write synsets in WordNet's own form."""

    def line(offset: int, name: str, at: Mapping[str, int]) -> str:
        words, kinds, instances, gloss = synsets[name]
        pointers = [("@", other) for other in kinds] + [("@i", other) for other in instances]
        for other, (_, its_kinds, its_instances, _) in synsets.items():
            pointers += [("~", other)] * (name in its_kinds) + [("~i", other)] * (name in its_instances)
        told = " ".join(f"{mark} {at[other]:08d} n 0000" for mark, other in pointers)
        lemmas = " ".join(f"{word} 0" for word in words)
        return (
            f"{offset:08d} 03 n {len(words):02x} {lemmas} {len(pointers):03d} {told + ' ' if told else ''}| {gloss}  "
        )

    at = dict.fromkeys(synsets, 0)
    for _ in range(2):  # every offset has eight digits, so the second pass finds the right ones
        offset = sum(len(text.encode()) + 1 for text in LICENCE)
        for name in synsets:
            at[name] = offset
            offset += len(line(offset, name, at).encode()) + 1
    folder.mkdir(parents=True, exist_ok=True)
    rows = LICENCE + [line(at[name], name, at) for name in synsets]
    (folder / "data.noun").write_bytes("".join(row + newline for row in rows).encode())
    index: dict[str, list[int]] = {}
    for name, (words, *_) in synsets.items():
        for word in words:
            index.setdefault(word.lower(), []).append(at[name])
    entries = [
        f"{word} n {len(offsets)} 2 @ ~ {len(offsets)} 0 {' '.join(f'{offset:08d}' for offset in offsets)}  "
        for word, offsets in sorted(index.items())
    ]
    (folder / "index.noun").write_text("\n".join(LICENCE + entries) + "\n")
    (folder / "noun.exc").write_text("axes axis ax\nknives knife\n")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> WordNet:
    return read_wordnet(write_small(tmp_path_factory.mktemp("wordnet")))


@pytest.fixture(scope="module")
def real() -> WordNet:
    try:
        return read_wordnet()
    except InputError as error:
        pytest.skip(str(error))


def test_descendants_come_nearest_first_and_once(small: WordNet) -> None:
    names = [synset.lemmas[0] for synset in descendants(small, find_synset(small, "thing.n.01"))]
    assert names == ["animal", "pet", "hot_dog", "knife", "watch", "T-shirt", "axletree", "dog", "cat", "lapdog"]
    below = descendants(small, find_synset(small, "animal.n.01"), instances=True)
    assert [synset.lemmas[0] for synset in below] == ["dog", "cat", "lapdog", "Laika"]
    assert descendants(small, find_synset(small, "cat.n.01")) == []


def test_words_are_the_first_or_all(small: WordNet) -> None:
    below = descendants(small, find_synset(small, "animal.n.01"))
    assert lemma_names(below, "first") == ["dog", "cat", "lapdog"]
    assert lemma_names(below, "all") == ["dog", "domestic dog", "hot dog", "cat", "lapdog"]


def test_a_sense_number_follows_the_index(small: WordNet) -> None:
    assert find_synset(small, "hot_dog.n.01").lemmas[0] == "dog"
    assert find_synset(small, "Hot Dog.n.2").lemmas[0] == "hot_dog"
    for name, complaint in {
        "hot_dog.n.03": "'hot_dog' has 2 senses",
        "hot_dog.n.00": "'hot_dog' has 2 senses",
        "unicorn.n.01": "'unicorn' has 0 senses",
        "dog": "expected a synset such as physical_entity.n.01, got 'dog'",
        "dog.v.01": "expected a synset",
    }.items():
        with pytest.raises(InputError) as caught:
            find_synset(small, name)
        assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dog", "it barks; man's friend"),
        ("Dogs", "it barks; man's friend"),
        ("animal", "it lives"),
        ("hot dog", "it barks; man's friend"),
        ("Red Hot", "it is eaten"),
        ("t shirts", "it is worn"),
        ("lap dog", "it sits"),
        ("knives", "it cuts"),
        ("watches", "it ticks"),
        ("unicorn", None),
        ("s", None),
        ("", None),
        ("x" * 10_000, None),
        ("dog\n00000000", None),
    ],
)
def test_a_definition_is_the_first_senses_without_examples(small: WordNet, name: str, told: str | None) -> None:
    assert definition(small, name) == told


def test_neighbours_are_so_many_steps_up_and_down(small: WordNet) -> None:
    given = [Keyword("cat"), Keyword("unicorn"), Keyword("felix", ("cats",))]
    one, none, by_alt = wordnet_neighbours(small, given)
    assert sorted(one) == ["animal", "beast", "dog", "domestic dog", "hot dog"]
    assert (none, by_alt) == ([], one)
    (two,) = wordnet_neighbours(small, [Keyword("cat")], steps=2, lemmas="first")
    below = ["Laika", "lapdog"]  # three links below the top, so out of reach from it, and in reach from "animal"
    assert sorted(two) == sorted(
        ["thing", "animal", "pet", "hot dog", "knife", "watch", "T-shirt", "axletree", "dog", *below]
    )
    (first,) = wordnet_neighbours(small, [Keyword("hot dog")], lemmas="first")
    (both,) = wordnet_neighbours(small, [Keyword("hot dog")], num_senses=2, lemmas="first")
    assert "knife" not in first
    assert "knife" in both


@pytest.mark.parametrize("layout", [".", "dict"])
def test_a_folder_may_hold_the_files_or_a_folder_of_them(tmp_path: Path, layout: str) -> None:
    write_small(tmp_path / layout)
    assert definition(read_wordnet(tmp_path), "cat") == "it purrs"


def test_wordnet_is_found_where_others_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twenty_questions.sources.wordnet._SYSTEM_FOLDERS", ())
    monkeypatch.delenv("WNHOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    with pytest.raises(
        InputError, match=r"no WordNet on this machine\. Install it with `apt-get install wordnet-base`"
    ):
        read_wordnet()
    write_small(tmp_path / "nltk" / "corpora" / "wordnet")
    assert read_wordnet().folder == tmp_path / "nltk" / "corpora" / "wordnet"
    monkeypatch.setenv("WNHOME", str(tmp_path / "princeton"))
    with pytest.raises(InputError, match="is no WordNet folder: it lacks index"):
        read_wordnet()
    write_small(tmp_path / "princeton" / "dict")
    assert read_wordnet().folder == tmp_path / "princeton" / "dict"


def break_file(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("index.noun", "animal n 1", "animal v 1", "index.noun, line 3: is no word of an index"),
        ("index.noun", "beast n 1 2", "beast n 1 x", "index.noun, line 5: is no word of an index"),
        ("index.noun", "cat n 1 2 @ ~ 1 0 ", "cat n 1 2 @ ~ 1 0 9", "index.noun, line 6: points at byte 9"),
        ("data.noun", "it purrs", "it purrs and purrs", "points at byte"),
        ("data.noun", "it purrs  \n", "", "points at byte"),
    ],
)
def test_a_garbled_file_is_refused_on_reading(tmp_path: Path, file: str, old: str, new: str, complaint: str) -> None:
    write_small(tmp_path)
    break_file(tmp_path / file, old, new)
    with pytest.raises(InputError) as caught:
        read_wordnet(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("n 01 cat 0", "n 02 cat 0"),
        ("n 01 cat 0", "n zz cat 0"),
        ("n 01 cat 0 001", "n 01 cat 0 0x1"),
        ("| it purrs", "/ it purrs"),
    ],
)
def test_a_garbled_synset_is_named_with_its_line(tmp_path: Path, old: str, new: str) -> None:
    write_small(tmp_path)
    break_file(tmp_path / "data.noun", old, new)
    held = read_wordnet(tmp_path)
    with pytest.raises(InputError, match=r"data\.noun, line 6: is no synset"):
        descendants(held, find_synset(held, "animal.n.01"))
    assert definition(held, "knife") == "it cuts"


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_data_cut_short_anywhere_is_noticed(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    folder = write_small(tmp_path_factory.mktemp("cut"))
    whole = (folder / "data.noun").read_bytes()
    (folder / "data.noun").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError) as caught:
        read_wordnet(folder)
    assert "is cut short" in str(caught.value) or "points at byte" in str(caught.value)


def test_an_empty_index_is_refused(tmp_path: Path) -> None:
    write_small(tmp_path)
    (tmp_path / "index.noun").write_text("\n".join(LICENCE))
    with pytest.raises(InputError, match=r"index\.noun: holds no word"):
        read_wordnet(tmp_path)


def test_a_synset_begins_where_a_line_does(small: WordNet) -> None:
    with pytest.raises(InputError, match="is no synset"):
        synset_at(small, find_synset(small, "cat.n.01").offset + 1)


def test_the_real_one_has_as_many_words_as_the_original_found(real: WordNet) -> None:
    below = descendants(real, find_synset(real, "physical_entity.n.01"))
    if len(below) != 39_555:
        pytest.skip(f"not WordNet 3.0: {len(below)} synsets")
    assert len({name.lower() for name in lemma_names(below, "first")}) == 34_621
    assert len({name.lower() for name in lemma_names(below, "all")}) == 60_611


def test_every_noun_of_the_real_one_can_be_read(real: WordNet) -> None:
    offsets = {offset for several in real.index.values() for offset in several}
    synsets = {offset: synset_at(real, offset) for offset in offsets}
    for synset in synsets.values():
        assert all(synset.offset in synsets[kind].hypernyms for kind in (*synset.hyponyms, *synset.instances))
        assert all(synset.offset in real.index[lemma.lower()] for lemma in synset.lemmas)
    assert senses(real, "ice-cream cones")
    assert definition(real, "dog") is not None
