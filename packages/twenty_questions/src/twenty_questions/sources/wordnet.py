"""WordNet's nouns (io): what lies below a synset, what a word means, read from the database's own files.

The files are `index.noun` and `data.noun`, as wndb(5WN) describes them; the Debian package `wordnet-base`, nltk's
`corpora/wordnet` and Princeton's own archive all hold them. Both are read at once, which takes a fraction of a second;
a synset is only taken apart when somebody asks for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from furikaeri_common.errors import InputError

__all__ = [
    "Lemmas",
    "Synset",
    "WordNet",
    "definition",
    "descendants",
    "find_synset",
    "is_below",
    "lemma_names",
    "meaning_of",
    "read_wordnet",
    "senses",
    "synset_at",
]

Lemmas = Literal["first", "all"]
"""Which words of a synset are taken: the one it is known by, or every synonym."""

_FIX = "Install it with `apt-get install wordnet-base`, or name a folder with --wordnet FOLDER"
_SYSTEM_FOLDERS = (Path("/usr/share/wordnet"), Path("/usr/local/share/wordnet"), Path("/usr/local/WordNet-3.0/dict"))
_FILES = ("index.noun", "data.noun")
_ENDINGS = (("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"))
_PLURALS = (*_ENDINGS, ("ies", "y"))


class Synset(NamedTuple):
    """A meaning.

    Attributes:
        offset: where its line begins in `data.noun`: its identity.
        lemmas: the words for it, with underscores for spaces; the commonest first.
        hypernyms: offsets of the meanings it is a kind of, or an instance of.
        hyponyms: offsets of its kinds.
        instances: offsets of its instances, such as single persons and places.
        gloss: its definition, and examples after it.
    """

    offset: int
    lemmas: tuple[str, ...]
    hypernyms: tuple[int, ...]
    hyponyms: tuple[int, ...]
    instances: tuple[int, ...]
    gloss: str


@dataclass(frozen=True, slots=True)
class WordNet:
    """The nouns of a WordNet.

    Attributes:
        folder: where it was read.
        index: from a word (lower case, underscores for spaces) to the offsets of its senses, the commonest first.
        data: the bytes of `data.noun`.
        plurals: from irregular plurals to their singulars.
    """

    folder: Path
    index: Mapping[str, tuple[int, ...]] = field(repr=False)
    data: bytes = field(repr=False)
    plurals: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_wordnet(folder: Path | None = None) -> WordNet:
    """Read the nouns of a WordNet.

    Args:
        folder: holds `index.noun` and `data.noun`, itself or in `dict`; None: `$WNHOME`, the system's, or nltk's.

    Raises:
        InputError: if there is none, or a file is cut short or garbled; the message names the file and the line.
    """
    place = _find(Path(folder)) if folder is not None else _find_anywhere()
    try:
        index, data = ((place / name).read_bytes() for name in _FILES)
        exceptions = (place / "noun.exc").read_bytes() if (place / "noun.exc").is_file() else b""
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror or error})") from error
    if not data.endswith(b"\n"):
        raise InputError(f"{place / 'data.noun'}, line {_line(data, len(data))}: is cut short", fix=_FIX)
    plurals = (line.split() for line in exceptions.decode("utf-8", errors="replace").splitlines())
    return WordNet(
        place,
        dict(_entries(place / "index.noun", index, data)),
        data,
        {words[0]: words[1] for words in plurals if len(words) > 1},
    )


def find_synset(wordnet: WordNet, name: str) -> Synset:
    """Return the synset of a name such as `physical_entity.n.01`: the word's first sense as a noun.

    Raises:
        InputError: if the name is not of that form, or WordNet has no such sense.
    """
    parts = re.fullmatch(r"(.+)\.n\.(\d+)", name.strip())
    if parts is None:
        raise InputError(f"expected a synset such as physical_entity.n.01, got {name!r}")
    offsets = wordnet.index.get(parts[1].lower().replace(" ", "_"), ())
    number = int(parts[2])
    if not 1 <= number <= len(offsets):
        raise InputError(f"WordNet in {wordnet.folder} has no synset {name!r}: {parts[1]!r} has {len(offsets)} senses")
    return synset_at(wordnet, offsets[number - 1])


def synset_at(wordnet: WordNet, offset: int) -> Synset:
    """Take the synset apart whose line begins at an offset.

    Raises:
        InputError: if there is none, naming the file and line.
    """
    line = wordnet.data[offset : wordnet.data.find(b"\n", offset)]
    try:
        head, bar, gloss = line.decode("utf-8").partition(" | ")
        fields = head.split()
        if int(fields[0]) != offset or not bar:
            raise ValueError
        num_words = int(fields[3], 16)
        lemmas = tuple(fields[4 : 4 + 2 * num_words : 2])
        pointers = fields[5 + 2 * num_words :]
        if num_words < 1 or len(lemmas) != num_words or len(pointers) != 4 * int(fields[4 + 2 * num_words]):
            raise ValueError
        to: dict[str, list[int]] = {}
        for start in range(0, len(pointers), 4):
            to.setdefault(pointers[start], []).append(int(pointers[start + 1]))
    except (ValueError, IndexError) as error:
        number = _line(wordnet.data, offset)
        raise InputError(f"{wordnet.folder / 'data.noun'}, line {number}: is no synset", fix=_FIX) from error
    return Synset(
        offset,
        lemmas,
        (*to.get("@", ()), *to.get("@i", ())),
        tuple(to.get("~", ())),
        tuple(to.get("~i", ())),
        gloss.strip(),
    )


def descendants(wordnet: WordNet, root: Synset, *, instances: bool = False) -> list[Synset]:
    """Return everything below a synset, itself left out, each once, the nearest first.

    Args:
        wordnet: the database.
        root: where to begin.
        instances: whether instances count, such as "Nile" below "river".
    """
    found = {root.offset: root}
    order = [root]
    for synset in order:
        for offset in (*synset.hyponyms, *(synset.instances if instances else ())):
            if offset not in found:
                found[offset] = synset_at(wordnet, offset)
                order.append(found[offset])
    return order[1:]


def lemma_names(synsets: Iterable[Synset], lemmas: Lemmas) -> list[str]:
    """Return the words of synsets as people write them, in order, with repetitions."""
    chosen = (synset.lemmas[:1] if lemmas == "first" else synset.lemmas for synset in synsets)
    return [lemma.replace("_", " ") for several in chosen for lemma in several]


def senses(wordnet: WordNet, name: str) -> tuple[int, ...]:
    """Return the offsets of a name's senses, the commonest first; none if WordNet does not know it.

    Case does not matter, spaces may be hyphens or nothing, and a plural stands for its singular.
    """
    for form in _forms(wordnet, name):
        if form in wordnet.index:
            return wordnet.index[form]
    return ()


def definition(wordnet: WordNet, name: str) -> str | None:
    """Return what a name means in its commonest sense, without examples; None if WordNet does not know it."""
    offsets = senses(wordnet, name)
    return meaning_of(synset_at(wordnet, offsets[0])) if offsets else None


def meaning_of(synset: Synset) -> str:
    """Return a synset's definition without its examples."""
    return re.split(r';\s*"', synset.gloss)[0].strip()


def is_below(wordnet: WordNet, offset: int, root: Synset) -> bool:
    """Return whether a synset is a kind or an instance of another, however far below it."""
    waiting, seen = [offset], set()
    while waiting:
        if (place := waiting.pop()) == root.offset:
            return True
        if place not in seen:
            seen.add(place)
            waiting.extend(synset_at(wordnet, place).hypernyms)
    return False


def _forms(wordnet: WordNet, name: str) -> Iterator[str]:
    """Yield how WordNet may spell a name: as it is, joined otherwise, then as a plural (morphy(7WN)'s rules)."""
    words = name.lower().split()
    joined = list(dict.fromkeys(mark.join(words) for mark in ("_", "-", "")))
    yield from joined
    for form in joined:
        if form in wordnet.plurals:
            yield wordnet.plurals[form]
    for form in joined:
        for ending, singular in _PLURALS:
            if form.endswith(ending) and len(form) > len(ending) + 1:
                yield form.removesuffix(ending) + singular


def _entries(path: Path, index: bytes, data: bytes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the words of an index; each must point at lines of the data, so that neither file can be cut short."""
    found = False
    for number, line in enumerate(index.split(b"\n"), start=1):
        if not line.strip() or line.startswith(b"  "):  # the licence, which stands before the words
            continue
        try:
            fields = line.decode("utf-8").split()
            num_senses = int(fields[2])
            offsets = tuple(map(int, fields[-num_senses:]))
            if fields[1] != "n" or num_senses < 1 or len(fields) != 6 + int(fields[3]) + num_senses:
                raise ValueError("is no word of an index")
            for digits, offset in zip(fields[-num_senses:], offsets, strict=True):
                if not data.startswith(digits.encode() + b" ", offset) or data[offset - 1 : offset] not in (b"\n", b""):
                    raise ValueError(f"points at byte {offset} of data.noun, where no synset begins")
        except (ValueError, IndexError) as error:
            told = str(error) if str(error).startswith(("is no", "points")) else "is no word of an index"
            raise InputError(f"{path}, line {number}: {told}", fix=_FIX) from error
        found = True
        yield fields[0], offsets
    if not found:
        raise InputError(f"{path}: holds no word", fix=_FIX)


def _find(folder: Path) -> Path:
    for place in (folder, folder / "dict"):
        if all((place / name).is_file() for name in _FILES):
            return place
    raise InputError(f"{folder}: is no WordNet folder: it lacks {' or '.join(_FILES)}", fix=_FIX)


def _find_anywhere() -> Path:
    if home := os.environ.get("WNHOME"):
        return _find(Path(home))
    nltk = [Path(place) for place in os.environ.get("NLTK_DATA", "").split(os.pathsep) if place]
    nltk += [Path.home() / "nltk_data", Path("/usr/share/nltk_data"), Path("/usr/local/share/nltk_data")]
    for place in (*_SYSTEM_FOLDERS, *(folder / "corpora" / "wordnet" for folder in nltk)):
        if all((place / name).is_file() for name in _FILES):
            return place
    raise InputError("there is no WordNet on this machine", fix=_FIX)


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
