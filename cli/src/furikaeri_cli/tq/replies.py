"""What replies mean: answers, verdicts and names, however they are typed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from furikaeri_cli.tq.dialogue import Misread, Reply, shortened
from twenty_questions.belief import Answer

__all__ = ["LONGEST_NAME", "Names", "read_answer", "read_names", "verdict_reader"]

LONGEST_NAME = 100
"""The game cuts a guess after so many characters, so a longer name could never be guessed."""

_ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("y", "yes", "yep", "yeah", "yup", "j", "true", "1"), "yes"),
    **dict.fromkeys(("n", "no", "nope", "nah", "false", "0"), "no"),
    **dict.fromkeys(("p", "py", "probably", "probably yes", "mostly", "usually", "often", "i think so"), "probably"),
    **dict.fromkeys(
        ("pn", "probably not", "probably no", "not really", "rarely", "seldom", "i dont think so"), "probably not"
    ),
    **dict.fromkeys(("?", "unknown", "dont know", "i dont know", "dunno", "idk", "unsure", "not sure"), "unknown"),
    **dict.fromkeys(("maybe", "perhaps", "sometimes", "it depends", "depends", "skip"), "unknown"),
}
_ARTICLE = re.compile(r"(?:an?|the|some|my|your)\s+(?=\S)", re.IGNORECASE)
_QUOTES = " \t\"'“”‘’„«».!?"


class Names(NamedTuple):
    """What a thing is called; `name` is empty if they would rather not say."""

    name: str
    alts: tuple[str, ...] = ()


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("'", "").replace("’", "").rstrip(".! ").split())


def read_answer(reply: Reply) -> Answer:
    """Return the answer to a question.

    Raises:
        Misread: if it is none of the choices.
    """
    said = reply.text("answer")
    answer = _ANSWERS.get(_plain(said))
    if answer is None:
        said = f"{shortened(said)} is no answer: " if said else ""
        raise Misread(f"{said}say y, n, p (probably), pn (probably not) or ? (don't know)")
    return answer


def verdict_reader(field: str, *, if_silent: bool | None = None) -> Callable[[Reply], bool]:
    """Return a reader of yes or no in a field.

    Args:
        field: of the JSON object; `answer` will do, too.
        if_silent: what an empty line means; None: nothing.
    """

    def read(reply: Reply) -> bool:
        said = reply.text(field, "answer")
        if not said.strip() and if_silent is not None:
            return if_silent
        answer = _ANSWERS.get(_plain(said))
        if answer in ("yes", "probably"):
            return True
        if answer in ("no", "probably not"):
            return False
        raise Misread(f"{shortened(said)} is neither yes nor no" if said.strip() else "say y or n")

    return read


def read_names(reply: Reply) -> Names:
    """Return a name and its alts: typed with `;` between them, or the fields `name` and `alts`.

    Quotes around a name go, and an article before it. No name is a reply, too.

    Raises:
        Misread: if a name has no letter or digit, or is longer than the game allows.
    """
    alts = reply.fields.get("alts") or []
    if not isinstance(alts, list) or not all(isinstance(alt, str) for alt in alts):
        raise Misread("expected `alts` to be a list of names")
    said = [*reply.text("name").split(";"), *alts]
    names = [name for text in said if (name := _name(text))]
    for name in names:
        if len(name) > LONGEST_NAME:
            raise Misread(f"{shortened(name)} is too long: a name has at most {LONGEST_NAME} characters")
        if not any(character.isalnum() for character in name):
            raise Misread(f"{shortened(name)} has no letter in it")
    return Names(names[0], tuple(dict.fromkeys(names[1:]))) if names else Names("")


def _name(text: str) -> str:
    visible = "".join(character if character.isprintable() else " " for character in text)
    bare = " ".join(visible.split()).strip(_QUOTES)
    return _ARTICLE.sub("", bare, count=1) if _ARTICLE.match(bare) else bare
