"""Learned leanings as a file (io), and the labeller that uses them.

The file is one JSON document, which may hold several models:

    {"format": "furikaeri leanings 1",
     "models": {NAME: {"asked": {...}, "slope": ..., "intercept": ..., "spread": ..., "questions": {TEXT: ...}}}}

`asked` is how the model was asked when they were learned; they are of no use for another prompt or other weights. It
tells the weights, so that a model is found under another name: that of its copy in an agent, or of a converted copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import read_json, write_json
from furikaeri_common.configs import config_from
from furikaeri_common.documents import fingerprint, jsonable
from furikaeri_common.errors import InputError
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.labelling.leanings import Leanings, without_leanings
from twenty_questions.labelling.wrapping import WrappedLabeller

__all__ = ["FORMAT", "CorrectedLabeller", "corrected", "read_leanings", "write_leanings"]

FORMAT = "furikaeri leanings 1"

_COMPUTED = ("device", "dtype", "held", "as_trees", "is_fine")
_FIX = "Make it with `tq evaluate answerer GOLD --save-leanings FILE`"


def write_leanings(path: Path, learned: Mapping[str, tuple[Mapping[str, Any], Leanings]]) -> None:
    """Write leanings by the model's name, each with the identity of its labeller.

    Raises:
        InputError: if the file is something else, or cannot be written.
    """
    if Path(path).exists():
        read_leanings(path)
    models = {name: {"asked": _asked(identity), **jsonable(leanings)} for name, (identity, leanings) in learned.items()}
    write_json(path, {"format": FORMAT, "models": models})


def read_leanings(path: Path) -> dict[str, tuple[dict[str, Any], Leanings]]:
    """Read what `write_leanings` wrote.

    Raises:
        InputError: if the file is missing, damaged, or something else.
    """
    document = read_json(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: holds no leanings", fix=_FIX)
    entries = document.get("models")
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise InputError(f"{path}: models: expected an object of objects", fix=_FIX)
    found = {}
    for name, entry in entries.items():
        settings = {key: value for key, value in entry.items() if key != "asked"}
        found[name] = (dict(entry.get("asked") or {}), config_from(Leanings, settings, source=str(path), place=name))
    return found


class CorrectedLabeller(WrappedLabeller):
    """A `Labeller` that takes learned leanings out of what another one says; made by `corrected`."""

    def __init__(self, labeller: Labeller, leanings: Leanings) -> None:
        super().__init__(labeller, {"leanings": fingerprint(leanings)})
        self._leanings = leanings

    def label(self, keywords: Sequence[str], questions: Sequence[str]) -> NDArray[np.float32]:
        """Return corrected P(yes) of every pair."""
        said = self.labeller.label(keywords, questions)
        return without_leanings(self._leanings, said, questions).astype(np.float32)


def corrected(labeller: Labeller, path: Path) -> CorrectedLabeller:
    """Return a labeller without the leanings that a file holds for its model.

    Raises:
        InputError: if the file holds none for it, or they were learned when it was asked in another way.
    """
    learned, now = read_leanings(path), _asked(labeller.identity)
    alike = [name for name, (asked, _) in learned.items() if asked == now]
    name = labeller.name if labeller.name in learned else next(iter(alike), None)
    if name is None:
        raise InputError(f"{path}: holds no leanings of {labeller.name}, but of {', '.join(learned)}", fix=_FIX)
    asked, leanings = learned[name]
    if asked != now:
        differs = sorted(key for key in {*asked, *now} if asked.get(key) != now.get(key))
        raise InputError(
            f"{path}: the leanings of {labeller.name} were learned when it was asked otherwise ({', '.join(differs)})",
            fix="Ask it as it was asked then, or learn them again",
        )
    return CorrectedLabeller(labeller, leanings)


def _asked(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of an identity decides the answers' meaning, and not their last digits."""
    return {key: value for key, value in dict(jsonable(identity)).items() if key not in _COMPUTED}
