"""Where a command's words go: data to stdout, everything else to stderr.

A command makes one `Output` and speaks through it alone, so that `--json`, `--quiet`, `NO_COLOR` and a pipe behave the
same everywhere. rich is imported only when something is drawn on a terminal.
"""

from __future__ import annotations

import dataclasses
import json as json_format
import os
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TextIO

from furikaeri_common.documents import jsonable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["Mode", "Output", "fitted"]

_CONTROL = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
"""What text from strangers must not send to a terminal."""

Mode = Literal["human", "json", "quiet"]


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """The one voice of a command.

    Args:
        mode: "human" (text), "json" (documents on stdout), or "quiet" (the data alone, no notes).
    """

    mode: Mode = "human"

    @classmethod
    def choose(cls, *, json: bool = False, quiet: bool = False) -> Output:
        """Return the output that the options `--json` and `--quiet` ask for; `--json` wins, and is itself quiet."""
        return cls("json" if json else "quiet" if quiet else "human")

    @property
    def is_json(self) -> bool:
        """Whether stdout carries JSON."""
        return self.mode == "json"

    def result(self, value: object, text: RenderableType | None = None) -> None:
        """Print the result of the command on stdout.

        Args:
            value: what `--json` prints, as one document (see `jsonable`).
            text: what a person sees instead: text, or anything rich can draw. None: the value as indented JSON.
        """
        if self.is_json or text is None:
            print(json_format.dumps(jsonable(value), indent=2, ensure_ascii=False), file=sys.stdout)
        else:
            self.show(text)

    def event(self, value: Mapping[str, object], text: RenderableType | None = None) -> None:
        """Print one step of a longer exchange: with `--json` one object on one line, flushed at once; else `text`."""
        if self.is_json:
            print(json_format.dumps(jsonable(value), ensure_ascii=False), file=sys.stdout, flush=True)
        elif text is not None:
            self.show(text)

    def table(
        self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", value: object = None
    ) -> None:
        """Print a table: drawn on a terminal, tab-separated with a header line in a pipe.

        Args:
            columns: the headings.
            rows: one sequence a row, as long as `columns`.
            title: shown on a terminal alone.
            value: what `--json` prints; None: a list of objects keyed by the headings.
        """
        body = [tuple(row) for row in rows]
        if self.is_json:
            self.result(value if value is not None else [dict(zip(columns, row, strict=True)) for row in body])
        elif sys.stdout.isatty():
            from rich.box import SIMPLE_HEAD
            from rich.table import Table
            from rich.text import Text

            drawn = Table(*columns, title=title or None, box=SIMPLE_HEAD, pad_edge=False)
            for row in body:
                drawn.add_row(*(Text(_cell(item), justify=_justify(item), overflow="fold") for item in row))
            self.show(drawn)
        else:
            for row in (tuple(columns), *body):
                print("\t".join(_cell(item).replace("\t", " ").replace("\n", " ") for item in row), file=sys.stdout)

    def show(self, text: RenderableType) -> None:
        """Print text or a rich renderable on stdout, for a person: nothing with `--json`."""
        if self.is_json:
            return
        if isinstance(text, str) and not sys.stdout.isatty():
            print(text.translate(_CONTROL), file=sys.stdout)
        else:
            shown = text.translate(_CONTROL) if isinstance(text, str) else text
            self.console().print(shown, markup=False, highlight=False)

    def note(self, text: str) -> None:
        """Say something by the way, on stderr; only in human mode."""
        if self.mode == "human":
            print(text, file=sys.stderr, flush=True)

    def warn(self, text: str) -> None:
        """Say on stderr, in every mode, what the user should know though the work goes on."""
        print(fitted(f"warning: {text}"), file=sys.stderr, flush=True)

    def console(self, *, stderr: bool = False) -> Console:
        """Return a rich console on stdout (or stderr), colourless where `NO_COLOR` is set or nobody looks."""
        from rich.console import Console

        stream: TextIO = sys.stderr if stderr else sys.stdout
        return Console(file=stream, no_color=bool(os.environ.get("NO_COLOR")) or None, soft_wrap=not stream.isatty())


def fitted(text: str, indent: int = 0) -> str:
    """Return text for stderr in lines that a terminal there holds, where no word is broken; elsewhere as it is.

    Args:
        text: its own lines stay lines.
        indent: spaces before its lines; those that follow in a paragraph stand two further in.
    """
    margin = " " * indent
    lines = text.split("\n")
    try:
        width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
    except (OSError, ValueError):
        width = 0
    if width < 20:  # no terminal, or none that says how wide it is
        return "\n".join(margin + line for line in lines)
    hang = margin + "  " if indent else ""
    return "\n".join(
        textwrap.fill(
            line, width, initial_indent=margin, subsequent_indent=hang, break_on_hyphens=False, break_long_words=False
        )
        for line in lines
    )


def _cell(item: object) -> str:
    if item is None:
        return ""
    return f"{item:.4g}" if isinstance(item, float) else str(item).translate(_CONTROL)


def _justify(item: object) -> Literal["left", "right"]:
    return "right" if isinstance(item, int | float) and not isinstance(item, bool) else "left"
