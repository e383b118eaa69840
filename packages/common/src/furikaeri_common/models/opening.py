"""What opening any model with transformers has in common: no chatter, and what its failures mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["first_line", "is_out_of_memory", "quietly"]


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep transformers from drawing bars and talking while it loads; what it was told before holds again after."""
    from transformers.utils import logging

    drawn, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if drawn:
            logging.enable_progress_bar()


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, on a processor or a GPU."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "can't allocate memory" in said


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, with the next where it ends in a colon; its class for no words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]) or type(error).__name__
