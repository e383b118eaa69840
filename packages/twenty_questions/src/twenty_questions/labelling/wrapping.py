"""A labeller that does something to what another one says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twenty_questions.labelling.labeller import Labeller

__all__ = ["WrappedLabeller"]


class WrappedLabeller:
    """Everything of another labeller but what it says; a base of labellers.

    Args:
        labeller: the other one; its account of tokens, its note and its connection are passed on where it has them.
        settings: what is added to its identity.

    Attributes:
        labeller: the other one.
    """

    def __init__(self, labeller: Labeller, settings: Mapping[str, Any]) -> None:
        self.labeller = labeller
        self._settings = dict(settings)

    @property
    def name(self) -> str:
        """The other labeller's name."""
        return self.labeller.name

    @property
    def identity(self) -> Mapping[str, Any]:
        """The other labeller's identity, and what is done to its answers."""
        return {**self.labeller.identity, **self._settings}

    @property
    def usage(self) -> Any:
        """What a server counted; None for a model in this process."""
        return getattr(self.labeller, "usage", None)

    @property
    def note(self) -> str:
        """What the other labeller says about its answers; mostly nothing."""
        return str(getattr(self.labeller, "note", ""))

    def close(self) -> None:
        """Close the connection to a server, if there is one."""
        close = getattr(self.labeller, "close", None)
        if close is not None:
            close()
