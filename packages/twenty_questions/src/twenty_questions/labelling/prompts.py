"""How a model is asked whether a question about a keyword is to be answered yes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from furikaeri_common.configs import config_from
from furikaeri_common.errors import InputError
from furikaeri_common.models.config import Message

__all__ = ["EXAMPLES", "ORIGINAL", "PROMPTS", "Prompt", "Turn", "read_prompt"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A pair whose answer is shown to the model before the real one.

    Attributes:
        keyword: a thing.
        question: about it.
        answer: "yes" or "no".
        definition: of the thing; "" for none.
    """

    keyword: str
    question: str
    answer: str
    definition: str = ""

    def __post_init__(self) -> None:
        if self.answer not in ("yes", "no"):
            raise ValueError(f"expected an answer yes or no, got {self.answer!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt:
    """A way to ask.

    Attributes:
        system: what the model is told to be; "" for nothing.
        user: the form of a question, holding {keyword} and {question} once each, the keyword first so that all of a
            keyword's questions share a beginning.
        user_with_definition: the same with {definition} between them, for a keyword whose definition is known; ""
            for a prompt that has no place for it.
        turns: examples, in order.
    """

    system: str
    user: str = "Keyword: {keyword}, Question: {question}"
    user_with_definition: str = ""
    turns: tuple[Turn, ...] = ()

    def __post_init__(self) -> None:
        forms: list[tuple[str, str, tuple[str, ...]]] = [("user", self.user, ("{keyword}", "{question}"))]
        if self.user_with_definition:
            named = ("{keyword}", "{definition}", "{question}")
            forms.append(("user_with_definition", self.user_with_definition, named))
        for name, form, parts in forms:
            places = [form.find(part) for part in parts]
            if any(form.count(part) != 1 for part in parts) or places != sorted(places):
                raise ValueError(f"expected {name} to hold {', '.join(parts)} once each, in this order, got {form!r}")

    def conversation(self, keyword: str, question: str, definition: str = "") -> list[Message]:
        """Return the turns that end with the question; line breaks within the parts become spaces."""
        turns: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        for turn in self.turns:
            turns.append({"role": "user", "content": self._ask(turn.keyword, turn.question, turn.definition)})
            turns.append({"role": "assistant", "content": turn.answer})
        return [*turns, {"role": "user", "content": self._ask(keyword, question, definition)}]

    def _ask(self, keyword: str, question: str, definition: str) -> str:
        form = self.user_with_definition if definition and self.user_with_definition else self.user
        parts = {"{keyword}": keyword, "{definition}": definition, "{question}": question}
        # Part by part, for what is put in may itself hold braces.
        text, rest = "", form
        for name in ("{keyword}", "{definition}", "{question}"):
            before, found, after = rest.partition(name)
            if found:
                text, rest = text + before + " ".join(parts[name].split()), after
        return text + rest


ORIGINAL = Prompt(
    system=(
        "You are an AI that answers with 'yes' or 'no' to determine if a statement based on a keyword is true. "
        "Answer yes or no only."
    )
)
"""The original solution's own prompt."""

EXAMPLES = replace(
    ORIGINAL,
    turns=tuple(
        Turn(keyword=keyword, question=question, answer=answer)
        for keyword, question, answer in (
            ("penguin", "Is it an animal?", "yes"),
            ("canoe", "Does it have a motor or engine?", "no"),
            ("strawberry", "Can it be eaten raw?", "yes"),
            ("glacier", "Is it man-made?", "no"),
            ("violin", "Does it have moving parts?", "no"),
            ("toaster", "Is it commonly found in a kitchen?", "yes"),
            ("pillow", "Is it sharp?", "no"),
            ("submarine", "Is it larger than a microwave oven?", "yes"),
            ("stapler", "Can you hold it in one hand?", "yes"),
            ("daffodil", "Is it used for cleaning?", "no"),
            ("ambulance", "Is it related to transportation?", "yes"),
            ("wheelbarrow", "Is it a drink?", "no"),
        )
    ),
)
"""The original's prompt after twelve examples, half of them yes, about things that the public list does not name."""

PROMPTS: Mapping[str, Prompt] = {"original": ORIGINAL, "examples": EXAMPLES}


def read_prompt(name: str) -> Prompt:
    """Return the prompt of that name, or of a TOML file.

    Raises:
        InputError: if there is neither, or the file does not fit.
    """
    if name in PROMPTS:
        return PROMPTS[name]
    path = Path(name).expanduser()
    if not path.is_file():
        raise InputError(f"there is no prompt {name!r}", fix=f"Choose among {', '.join(PROMPTS)}, or give a TOML file")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not TOML ({error})") from error
    return config_from(Prompt, document, source=str(path))
