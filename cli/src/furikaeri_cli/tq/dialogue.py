"""One message out, one reply in: how a game talks with whoever sits at stdin, a person or a program.

With `--json` each line either way is one JSON object (docs/play_protocol.md); else messages are text and replies are
typed words. Both become the same replies, so a game has one loop.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from furikaeri_cli.output import Output
from furikaeri_cli.tq.screen import MARGIN, paragraph

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["PROTOCOL", "Dialogue", "Misread", "Quit", "Reply", "Undo", "shortened"]

T = TypeVar("T")

PROTOCOL = 1
"""The edition of the messages; it grows when one of them changes so that a program must change, too."""

_QUIT = frozenset({"quit", "q", "exit", "bye"})
_UNDO = frozenset({"undo", "back"})
_HELP = frozenset({"help", "h", "??"})


class Quit(Exception):
    """The other side wants to stop, or stdin has ended."""


class Undo(Exception):
    """The other side wants to take its last reply back."""


class Misread(Exception):
    """A reply that cannot be used; the text says why."""


class Reply(NamedTuple):
    """What came back: the words typed, or the fields of the JSON object."""

    words: str
    fields: Mapping[str, Any]

    def text(self, *names: str) -> str:
        """Return the first of these fields that is there, or else the typed words."""
        found = (self.fields[name] for name in names if self.fields.get(name) is not None)
        return str(next(found, self.words))

    def wants(self, name: str, words: frozenset[str] = frozenset()) -> bool:
        """Return whether the field is true, or one of the words was typed."""
        return self.fields.get(name) is True or self.words.lower() in words


class Dialogue:
    """A conversation over stdin and stdout.

    Args:
        output: where messages go.
        help_text: what the word `help` shows.
    """

    def __init__(self, output: Output, help_text: str = "") -> None:
        self._output = output
        self._help = help_text
        for stream in (sys.stdin, sys.stdout):
            # What a terminal cannot show or a pipe cannot decode must not end a game.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")

    @property
    def is_json(self) -> bool:
        """Whether a program is at the other end."""
        return self._output.is_json

    @property
    def is_drawn(self) -> bool:
        """Whether messages land on a terminal, where they may be drawn."""
        return not self.is_json and sys.stdout.isatty()

    def tell(self, event: Mapping[str, object] | None, text: RenderableType | None) -> None:
        """Say something that needs no reply; None: nothing to a program, or to a person."""
        if event is not None or not self.is_json:
            self._output.event(event or {}, text)

    def remark(self, event: Mapping[str, object] | None, text: RenderableType | None) -> None:
        """Say something that `--quiet` leaves out."""
        self.tell(event, None if self._output.mode == "quiet" else text)

    def ask(
        self,
        event: Mapping[str, object],
        text: RenderableType | None,
        read: Callable[[Reply], T],
        *,
        expects: Sequence[str],
        prompt: str = "",
        can_undo: bool = False,
    ) -> T:
        """Say something and wait for a reply that can be read; the question stays open until then.

        Args:
            event: the message for a program.
            text: the message for a person.
            read: makes a value of a reply, or raises `Misread`.
            expects: the fields that a program may reply with; `undo` and `quit` are added.
            prompt: stands before the typed words.
            can_undo: whether there is something to take back.

        Raises:
            Undo: if the other side takes its last reply back.
            Quit: on the word quit, on `{"quit": true}`, and at the end of stdin.
        """
        message = {**event, "expects": [*expects, *(["undo"] if can_undo else []), "quit"]}
        self.tell(message, text)
        while True:
            try:
                reply = self._reply(f"{' ' * MARGIN}{prompt}› ")
                if reply.wants("quit", _QUIT):
                    raise Quit
                if reply.wants("undo", _UNDO):
                    if can_undo:
                        raise Undo
                    raise Misread("there is nothing to take back yet")
                if reply.wants("help", _HELP):
                    self.tell({"type": "help", "text": self._help}, self._help)
                    continue
                return read(reply)
            except Misread as why:
                self.tell({"type": "error", "message": str(why)}, paragraph(str(why), drawn=self.is_drawn))
                self.tell(message, None)

    def _reply(self, prompt: str) -> Reply:
        line = self._line(prompt).strip()
        if not self.is_json:
            return Reply(line, {})
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise Misread(f"this line is not JSON: {shortened(line)}") from None
        if isinstance(value, str):
            return Reply(value.strip(), {})
        if not isinstance(value, dict):
            raise Misread(f"expected a JSON object, got {shortened(line)}")
        return Reply("", value)

    def _line(self, prompt: str) -> str:
        sys.stdout.flush()
        if self.is_drawn and sys.stdin.isatty():
            return _typed(prompt)
        line = sys.stdin.readline()
        if not line:
            raise Quit
        if not self.is_json:
            # Where nothing typed is on the screen, the replies are part of the transcript.
            print(f"{prompt}{line.strip()}", file=sys.stdout)
        return line


def _typed(prompt: str) -> str:
    """Read a line from the terminal, with the usual keys for editing it where there are any."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    try:
        return input(prompt)
    except EOFError:
        print(file=sys.stdout)
        raise Quit from None
    except KeyboardInterrupt:
        print(file=sys.stdout)
        raise


def shortened(text: str, length: int = 40) -> str:
    """Return a text in quotes, cut where it is longer than `length` characters."""
    return f"“{text if len(text) <= length else text[: length - 1] + '…'}”"
