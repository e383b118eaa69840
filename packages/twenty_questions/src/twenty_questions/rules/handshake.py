"""The rule for the protocol's opening."""

from __future__ import annotations

from twenty_questions.questions import HANDSHAKE

__all__ = ["handshake"]


def handshake(question: str, name: str) -> bool | None:
    """`Is it Agent Alpha?`, to the letter: yes, this partner compares words exactly.

    Any other case, spacing or wording is not mine.
    """
    return True if question == HANDSHAKE.text else None
