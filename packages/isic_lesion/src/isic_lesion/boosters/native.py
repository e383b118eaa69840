"""The two libraries behind `boosters`: training, reading and refusing, each in its own words.

Nothing outside `boosters` needs this module. The libraries are imported when they are first used.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from isic_lesion.boosters.checks import check_lightgbm, check_xgboost
from isic_lesion.boosters.config import BoosterConfig, Library
from isic_lesion.boosters.training_rows import TrainingRows, Validation
from isic_lesion.boosters.ubjson import read_ubjson
from isic_lesion.metrics.ordering import partial_auc

__all__ = ["parse_native", "require_library", "train_native"]

_STOPPING_METRIC = "pAUC"
_PLACE_IN_SOURCE = re.compile(r"^\[\d\d:\d\d:\d\d\] \S+:\d+: (Check failed: )?")
_END_OF_TREES = "end of trees\n"


def train_native(
    prepared: Callable[[], TrainingRows],
    config: BoosterConfig,
    seed: int,
    names: list[str],
    validation: Validation | None,
) -> Any:
    """Return the library's own booster, trained.

    Args:
        prepared: returns the rows, which are let go as soon as the library has quantised them.
        config: of the model.
        seed: of the library.
        names: of the features, as both libraries take them.
        validation: what early stopping looks at; None: every round is trained.

    Raises:
        InputError: if the library refuses a parameter's value, or there is no GPU for it.
        WorkError: if it fails otherwise.
    """
    train = _train_xgboost if config.library == "xgboost" else _train_lightgbm
    try:
        with _silently():
            return train(prepared, config, seed, names, validation)
    except _native_error(config.library) as error:
        raise _refused(config, error) from error


def parse_native(content: bytes, library: Library, threads: int) -> Any:
    """Return the library's own booster from a stranger's bytes, checked so that scoring with it is safe.

    Raises:
        ValueError: if they are no booster of the library, or not one as it is trained here.
    """
    try:
        with _silently():
            if library == "lightgbm":
                text = content.decode()
                check_lightgbm(text)
                return _lightgbm_of(text)
            document = read_ubjson(content)
            check_xgboost(document)
            return _with_base_score(_xgboost_of(content, threads), document)
    except (ValueError, _native_error(library)) as error:
        raise ValueError(f"no {library} booster ({_first_line(error)})") from error


def _train_xgboost(
    prepared: Callable[[], TrainingRows],
    config: BoosterConfig,
    seed: int,
    names: list[str],
    validation: Validation | None,
) -> Any:
    xgb = _library("xgboost")
    params = {
        **config.params,
        "objective": "binary:logistic",
        "tree_method": "hist",
        "seed": seed,
        "nthread": config.threads,
        "verbosity": 0,
        "device": "cuda" if config.device == "gpu" else "cpu",
        "disable_default_eval_metric": True,
    }
    if config.device == "gpu":
        _require_cuda(xgb, config)
    of_data = {"feature_names": names, "nthread": config.threads, "max_bin": config.params.get("max_bin", 256)}
    rows = prepared()
    data = xgb.QuantileDMatrix(rows.features, label=rows.labels, weight=rows.weights, **of_data)
    del rows
    if validation is None:
        trained = xgb.train(params, data, config.rounds)
    else:
        held_out = xgb.QuantileDMatrix(validation.features, label=validation.target, ref=data, **of_data)
        stop = xgb.callback.EarlyStopping(
            config.early_stopping_rounds, metric_name=_STOPPING_METRIC, maximize=True, save_best=True
        )
        trained = xgb.train(
            params,
            data,
            config.rounds,
            evals=[(held_out, "validation")],
            custom_metric=lambda scores, held: (_STOPPING_METRIC, partial_auc(held.get_label(), scores)),
            callbacks=[stop],
            verbose_eval=False,
        )
    return _xgboost_of(bytes(trained.save_raw("ubj")), config.threads)


def _require_cuda(xgb: Any, config: BoosterConfig) -> None:
    """Refuse a machine without a GPU, where XGBoost would go on with the CPU after a warning."""
    one = xgb.QuantileDMatrix(np.zeros((2, 1), np.float32), label=np.asarray([0, 1]), nthread=1)
    tried = xgb.train({"device": "cuda", "max_depth": 1, "verbosity": 0}, one, 1)
    if json.loads(tried.save_config())["learner"]["generic_param"]["device"] == "cpu":
        raise InputError(
            f"model {config.name}: XGBoost sees no GPU", fix="Use --device cpu, or a machine with an NVIDIA GPU"
        )


def _train_lightgbm(
    prepared: Callable[[], TrainingRows],
    config: BoosterConfig,
    seed: int,
    names: list[str],
    validation: Validation | None,
) -> Any:
    lgb = _library("lightgbm")
    params = {
        "force_col_wise": not config.params.get("force_row_wise", False),
        "device_type": "gpu" if config.device == "gpu" else "cpu",
        **config.params,
        "objective": "binary",
        "metric": "None",
        "seed": seed,
        "num_threads": config.threads,
        "deterministic": True,
        "verbosity": -1,
    }
    rows = prepared()
    data = lgb.Dataset(
        rows.features, rows.labels, weight=rows.weights, feature_name=names, params=params, free_raw_data=True
    )
    data.construct()
    del rows
    if validation is None:
        trained = lgb.train(params, data, config.rounds)
        return _lightgbm_of(trained.model_to_string())
    held_out = lgb.Dataset(validation.features, validation.target, reference=data, params=params)
    trained = lgb.train(
        params,
        data,
        config.rounds,
        valid_sets=[held_out],
        feval=lambda scores, held: (_STOPPING_METRIC, partial_auc(held.get_label(), scores), True),
        callbacks=[lgb.early_stopping(config.early_stopping_rounds, verbose=False)],
    )
    return _lightgbm_of(trained.model_to_string(num_iteration=trained.best_iteration))


def require_library(name: Library) -> None:
    """Say now, not in a worker, if a library is not installed.

    Raises:
        MissingExtraError: if it is not.
    """
    try:
        if name == "extra-trees":
            import sklearn.ensemble  # noqa: F401
        elif name == "kernel":
            import scipy.spatial.distance  # noqa: F401
        else:
            _library(name)
    except ImportError as error:
        raise MissingExtraError("a table model", distribution="furikaeri-isic-lesion", extra="table") from error


def _xgboost_of(content: bytes, threads: int) -> Any:
    native = _library("xgboost").Booster({"nthread": threads, "verbosity": 0, "device": "cpu"})
    native.load_model(bytearray(content))
    return native


def _with_base_score(native: Any, document: Any) -> Any:
    """Return the booster with the base score of its file.

    XGBoost before 3.1 takes what later ones write there, such as `[1E-1]`, for its own default, without a word.
    """
    told = document["learner"]["learner_model_param"]["base_score"].strip("[]")
    taken = json.loads(native.save_config())["learner"]["learner_model_param"]["base_score"].strip("[]")
    if float(told) != float(taken):
        native.set_param({"base_score": told})
    return native


def _lightgbm_of(text: str) -> Any:
    """Read a model without what follows its trees: parameters and the like, which scoring does not need."""
    trees = text.partition(_END_OF_TREES)[0] + _END_OF_TREES
    return _library("lightgbm").Booster(model_str=trees, params={"verbosity": -1})


def _library(name: Library) -> Any:
    try:
        if name == "xgboost":
            import xgboost

            return xgboost
        import lightgbm

        return lightgbm
    except ImportError as error:
        raise MissingExtraError("a table model", distribution="furikaeri-isic-lesion", extra="table") from error


def _native_error(library: Library) -> type[Exception]:
    found = _library(library)
    error: type[Exception] = found.core.XGBoostError if library == "xgboost" else found.basic.LightGBMError
    return error


@contextlib.contextmanager
def _silently() -> Iterator[None]:
    """Keep the libraries' own lines, which LightGBM prints on stdout, from the program's output."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _refused(config: BoosterConfig, error: Exception) -> Exception:
    text = _first_line(error)
    if config.device == "gpu" and config.library == "lightgbm":
        return InputError(
            f"model {config.name}: this LightGBM cannot use a GPU ({text})",
            fix="Use --device cpu, or a LightGBM built with OpenCL (device_type gpu) or CUDA (device_type cuda)",
        )
    if any(name in str(error) for name in config.params):
        return InputError(f"model {config.name}: {config.library} refuses a parameter ({text})")
    return WorkError(f"model {config.name}: {config.library} failed ({text})")


def _first_line(error: Exception) -> str:
    lines = [_PLACE_IN_SOURCE.sub("", line.strip()) for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).removesuffix(": ")[:200]
