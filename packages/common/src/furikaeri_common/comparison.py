"""Two or more runs side by side: where their configurations differ, and what each measured last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from furikaeri_common.documents import flatten

__all__ = ["Comparison", "compare", "last_metrics"]


class Comparison(NamedTuple):
    """What differs between runs.

    Args:
        config: dotted key -> one value a run, in the runs' order, for the keys on which they do not all agree; None
            where a run lacks the key.
        metrics: name -> one last value a run, None where a run never measured it.
    """

    config: dict[str, tuple[Any, ...]]
    metrics: dict[str, tuple[Any, ...]]


def compare(configs: Sequence[Mapping[str, Any]], metrics: Sequence[Sequence[Mapping[str, Any]]]) -> Comparison:
    """Lay runs side by side.

    Args:
        configs: one configuration a run; what is to count besides (the seed, the command) may be put into it.
        metrics: the lines of `metrics.jsonl` of each run.

    Raises:
        ValueError: if the two do not speak of equally many runs.
    """
    if len(configs) != len(metrics):
        raise ValueError(f"expected one list of metrics a run, got {len(configs)} runs and {len(metrics)} lists")
    rows = _side_by_side([flatten(config) for config in configs])
    differing = {key: values for key, values in rows.items() if any(value != values[0] for value in values[1:])}
    return Comparison(differing, _side_by_side([last_metrics(lines) for lines in metrics]))


def last_metrics(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the last value of every name that was ever logged."""
    last: dict[str, Any] = {}
    for line in lines:
        last.update(line)
    return last


def _side_by_side(columns: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    keys = dict.fromkeys(key for column in columns for key in column)
    return {key: tuple(column.get(key) for column in columns) for key in keys}
