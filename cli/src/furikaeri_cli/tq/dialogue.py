"""One line out, one line in: how a command talks with whoever sits at stdin, a person or a program.

With `--json` each line either way is one JSON object; else prompts are text and replies are typed words. Both become
the same replies, so a game has one loop.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

from twenty_questions.belief import Answer

from furikaeri_cli.output import Output

__all__ = ["ANSWERS_HELP", "Dialogue", "Quit", "read_answer"]

ANSWERS_HELP = "y yes · n no · p probably · pn probably not · ? don't know · undo · quit"

_ANSWERS: dict[str, Answer] = {
    **dict.fromkeys(("y", "yes", "yep", "yeah", "j", "true", "1"), "yes"),
    **dict.fromkeys(("n", "no", "nope", "false", "0"), "no"),
    **dict.fromkeys(("p", "py", "probably", "probably yes", "maybe yes", "mostly", "usually"), "probably"),
    **dict.fromkeys(("pn", "probably not", "probably no", "maybe not", "rarely", "not really"), "probably not"),
    **dict.fromkeys(
        ("?", "u", "unknown", "dont know", "i dont know", "idk", "unsure", "not sure", "it depends", "skip"), "unknown"
    ),
}


class Quit(Exception):
    """The other side wants to stop, or stdin has ended."""


def read_answer(text: str) -> Answer | None:
    """Return the answer that a typed word means, None if it is none of the choices."""
    return _ANSWERS.get(text.strip().lower().replace("'", "").replace("’", "").rstrip(".!"))


class Reply(NamedTuple):
    """What came back: the words typed, or the fields of the JSON object."""

    words: str
    fields: Mapping[str, Any]

    @property
    def wants_undo(self) -> bool:
        """Whether it asks to take the last step back."""
        return self.words.lower() in ("undo", "back") or bool(self.fields.get("undo"))

    def text(self, *names: str) -> str:
        """Return the first of these fields that is there, or else the typed words."""
        for name in names:
            if name in self.fields and self.fields[name] is not None:
                return str(self.fields[name])
        return self.words

    def verdict(self, name: str) -> bool | None:
        """Return yes or no, from a boolean field or a typed word; None if it is neither."""
        if isinstance(self.fields.get(name), bool):
            return bool(self.fields[name])
        answer = read_answer(self.text(name, "answer"))
        return {"yes": True, "probably": True, "no": False, "probably not": False}.get(answer or "")


class Dialogue:
    """A conversation over stdin and stdout."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def tell(self, event: Mapping[str, object], text: str) -> None:
        """Say something that needs no reply."""
        self._output.event(event, text or None)

    def ask(self, event: Mapping[str, object], text: str, prompt: str = "> ") -> Reply:
        """Say something and wait for the reply.

        Raises:
            Quit: on the word quit, on `{"quit": true}`, and at the end of stdin.
        """
        self.tell(event, text)
        while True:
            line = self._read(prompt)
            if not self._output.is_json:
                reply = Reply(line.strip(), {})
            else:
                try:
                    fields = json.loads(line)
                except json.JSONDecodeError as error:
                    self.complain(f"that line is not JSON ({error.msg})")
                    continue
                reply = Reply("", fields) if isinstance(fields, dict) else Reply(str(fields), {})
            if reply.words.lower() in ("quit", "q", "exit") or reply.fields.get("quit"):
                raise Quit
            return reply

    def complain(self, message: str) -> None:
        """Say that the last reply cannot be used; the question stays open."""
        self._output.event({"type": "error", "message": message}, f"  {message}")

    def _read(self, prompt: str) -> str:
        if sys.stdin.isatty() and not self._output.is_json:
            try:
                return input(prompt)
            except EOFError:
                raise Quit from None
        line = sys.stdin.readline()
        if not line:
            raise Quit
        return line
