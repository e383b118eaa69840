"""A booster scores alike by whatever version of its library reads it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from isic_lesion.boosters.native import parse_native


@pytest.mark.parametrize("base_score", [0.1, 0.5, 0.003])
def test_an_older_xgboost_that_passes_over_the_base_score_is_told_it(
    base_score: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before 3.1 a file's `[1E-1]` was taken for the default, 0.5."""
    import xgboost

    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 2)).astype(np.float32)
    data = xgboost.DMatrix(features, label=rng.integers(0, 2, 40), feature_names=["a", "b"])
    params = {"objective": "binary:logistic", "base_score": base_score, "nthread": 1, "verbosity": 0}
    trained = xgboost.train(params, data, 3)
    content = bytes(trained.save_raw("ubj"))
    expected = trained.predict(data)
    load, save_config = xgboost.Booster.load_model, xgboost.Booster.save_config

    def older_load(self: Any, source: Any) -> None:
        load(self, source)
        self.set_param({"base_score": "5E-1"})

    monkeypatch.setattr(xgboost.Booster, "load_model", older_load)
    read = parse_native(content, "xgboost", 1)
    np.testing.assert_array_equal(read.predict(data), expected)
    told = json.loads(save_config(read))["learner"]["learner_model_param"]["base_score"]
    assert float(told.strip("[]")) == pytest.approx(base_score)
