"""How a game looks to a person: drawn with colours and bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twenty_questions.questions import Question

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

__all__ = ["MARGIN", "best_guesses", "counted", "faint", "headline", "paragraph", "percent", "spoken", "told"]

MARGIN = 7
"""Columns to the left of everything but the number of a turn."""

_WIDEST = 100
_BAR = 32
_EIGHTHS = " ▏▎▍▌▋▊▉█"

Top = Sequence[tuple[str, float]]


def spoken(question: Question) -> str:
    """Return a question as a person would ask it: about the thing's name where the contest speaks of a keyword."""
    return question.text.replace("the keyword (in lowercase)", "its name").replace("the keyword", "its name")


def percent(probability: float) -> str:
    """Return a probability as text, with a decimal where it is small."""
    return f"{probability:.0%}" if probability >= 0.095 else f"{probability:.1%}"


def counted(number: int, thing: str) -> str:
    """Return a number of things: "1 turn", "2 turns"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def paragraph(text: str, *, label: str = "", drawn: bool = True) -> str:
    """Return a text with a margin, folded to the terminal's width; in a pipe on one line.

    Args:
        text: words without line breaks.
        label: stands in the margin.
        drawn: whether it lands on a terminal.
    """
    first = f"{label:>{MARGIN - 1}} " if label else " " * MARGIN
    if not drawn:
        return first + text
    width = min(shutil.get_terminal_size().columns - 1, _WIDEST)
    return textwrap.fill(text, max(width, 30), initial_indent=first, subsequent_indent=" " * MARGIN)


def headline(text: str, *, label: str = "", blank: bool = True, drawn: bool = True) -> RenderableType:
    """Return what stands out: a question, a guess, the end; after an empty line unless `blank` is false."""
    folded = "\n" * blank + paragraph(text, label=label, drawn=drawn)
    if not drawn:
        return folded
    from rich.text import Text

    line = Text(folded)
    line.stylize("cyan", 0, MARGIN + blank)
    line.stylize("bold", MARGIN + blank)
    return line


def faint(text: str, *, drawn: bool = True) -> RenderableType:
    """Return a paragraph that keeps in the background."""
    folded = paragraph(text, drawn=drawn)
    if not drawn:
        return folded
    from rich.text import Text

    return Text(folded, "dim")


def told(bits: float, left_bits: float, top: Top, *, drawn: bool = True) -> RenderableType:
    """Return what a reply told, and the best guesses after it.

    Args:
        bits: what it told.
        left_bits: the entropy that is left, the same as of 2 ** left_bits things equally likely.
        top: the best guesses with their probabilities; none: everything is ruled out.
        drawn: whether it lands on a terminal.
    """
    amount = f"{bits:.2f} bits" if bits >= 0.005 else "nothing"
    likely = 2**left_bits
    left = f"about {likely:,.0f} things are still likely" if likely >= 1.5 else "one thing is by far the likeliest"
    said = f"That told me {amount}; {left}." if top else "That leaves nothing that I know."
    if not drawn:
        guesses = ", ".join(f"{name} {percent(probability)}" for name, probability in top[:3])
        return paragraph(f"{said} {guesses}", drawn=False)
    from rich.text import Text

    return Text("\n").join([Text(paragraph(said), "dim"), *best_guesses(top[:3])])


def best_guesses(top: Top) -> list[Text]:
    """Return a line for each of the best guesses, with a bar, for a terminal."""
    from rich.text import Text

    columns = max(shutil.get_terminal_size().columns - 1, 40)
    room = min(columns - MARGIN - 7 - 12, max((len(name) for name, _ in top), default=0))
    bar = min(_BAR, columns - MARGIN - room - 2 - 7)
    lines = []
    for name, probability in top:
        shown = name if len(name) <= room else name[: room - 1] + "…"
        lines.append(
            Text.assemble(
                f"{'':{MARGIN}}{shown:<{room}}  ",
                (_bar(probability, bar), "cyan"),
                (f"{percent(probability):>7}", "bold" if probability >= 0.5 else ""),
            )
        )
    return lines


def _bar(share: float, width: int) -> str:
    """Return a bar of `width` columns, filled to an eighth of a column, with at least a sliver."""
    eighths = max(1, round(share * width * 8))
    whole, part = divmod(eighths, 8)
    bar = (_EIGHTHS[8] * whole + _EIGHTHS[part].strip()).ljust(width)
    return bar if _can_show(bar) else ("#" * max(1, round(share * width))).ljust(width)


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
