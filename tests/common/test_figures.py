"""Figures of benchmarks."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from furikaeri_common.errors import InputError
from furikaeri_common.figures import FIGURES_VARIABLE, Figure, read_figures, tell_figures


def test_a_ratio_says_how_many_times_better_ours_is() -> None:
    assert Figure("time", 2.0, "s", 6.0, "a loop").ratio == 3.0
    assert Figure("rate", 6.0, "pairs/s", 2.0, "a loop", better="more").ratio == 3.0
    assert Figure("time", 2.0, "s").ratio is None
    assert Figure("time", 0.0, "s", 6.0).ratio is None
    assert Figure("time", 2.0, "s", 0.0).ratio is None
    assert Figure("reward", -1.0, "", 5.0, better="more").ratio is None


def test_a_limit_is_kept_up_to_its_value() -> None:
    assert Figure("time", 2.0, "s").is_kept is None
    assert [Figure("time", value, "s", limit=2.0).is_kept for value in (1.9, 2.0, 2.1)] == [True, True, False]
    assert [Figure("rate", value, "", limit=2.0, better="more").is_kept for value in (1.9, 2.0)] == [False, True]


def test_what_is_told_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    told = [
        Figure("time", np.float32(1.5), "s", np.int64(3), "a loop", limit=2, better="less", exact=True),
        Figure("rate", 7, "%"),
    ]
    monkeypatch.delenv(FIGURES_VARIABLE, raising=False)
    tell_figures(told)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(FIGURES_VARIABLE, str(file))
    tell_figures([Figure("earlier", 1.0, "")])
    tell_figures(told)
    assert read_figures(file) == told
    with pytest.raises(ValueError, match="'time' twice"):
        tell_figures([told[0], told[0]])
    with pytest.raises(ValueError, match="expected finite numbers for 'rate', got nan"):
        tell_figures([Figure("rate", math.nan, "")])
    assert read_figures(file) == told


@pytest.mark.parametrize(
    "document",
    [
        {"what": "time"},
        [{"what": "time"}],
        [{"what": "time", "ours": "1", "unit": "s"}],
        [{"what": "time", "ours": True, "unit": "s"}],
        [{"what": "time", "ours": 1.0, "unit": 5}],
        [{"what": "time", "ours": 1.0, "unit": "s", "better": "bigger"}],
        [{"what": "time", "ours": 1.0, "unit": "s", "colour": "red"}],
        [5],
    ],
)
def test_what_holds_no_figures_is_told(tmp_path: Path, document: object) -> None:
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"figures\.json: holds"):
        read_figures(file)
