"""How much memory a task takes: a booster of so many rows and features, a network of so many weights."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from furikaeri_common.planning import Amount, amount
from isic_lesion.boosters.config import BoosterConfig
from isic_lesion.planning.drawn_rows import sampled_rows

if TYPE_CHECKING:
    from isic_lesion.image_models.config import ImageConfig
    from isic_lesion.planning.network_facts import NetworkFacts

__all__ = ["binning_bytes", "booster_memory", "network_memory"]

_BATCH = 64  # columns of a file of features, which are held at once while a matrix is filled
_LIBRARIES = 2.6e8  # bytes of a process that has read its libraries and trained nothing
_TORCH = 8.5e8
_SKETCHED, _PER_BIN = 18.0, 1e4  # bytes of XGBoost's sketch of a feature: of a row, and of a bin where rows are many
_BINNED, _ROWS_BINNED = 14.0, 200_000  # bytes of a row that LightGBM looks at for a feature's bins, and of how many
_KERNEL_COPIES = 4  # of the square matrix of a kernel model


def booster_memory(
    config: BoosterConfig,
    *,
    rows: int,
    positive: int,
    features: int,
    held_out: int,
    noisy: bool,
    libraries: float = _LIBRARIES,
) -> Amount:
    """Return how much memory the largest task of a model's boosters takes: the one of all rows; estimated.

    While rows are read there is their matrix of float32 and one batch of columns of all rows; the noise on image scores
    takes a copy of the matrix; the library's own copy has a byte a value, and beside the matrix it finds the features'
    bins (see `binning_bytes`). Where a round holds rows out, they are read
    beside the latter.

    Args:
        config: of the model.
        rows: of the table.
        positive: rows of label 1 among them.
        features: that the model uses.
        held_out: rows that a round scores.
        noisy: whether there are image scores among the features, on which noise is laid.
        libraries: bytes of the process beside what it computes with.
    """
    trained = sampled_rows(config, rows, positive)
    values, batch = 4.0 * trained * features, 2 * 4.0 * rows * min(_BATCH, features)
    copies = 1 + (noisy and any(fnmatchcase("image_", pattern[:6]) for pattern in config.feature_noise))
    own = float(trained * features)
    bins = features * binning_bytes(config, trained)
    if config.library == "extra-trees":
        copies, own = copies + 3, 0.0
    if config.library == "kernel":
        square = min(trained, int(config.params.get("max_rows", 4000)))
        own = 8.0 * square * (_KERNEL_COPIES * square + 2 * features)
    training = max(values + batch, copies * values + own + bins)
    scoring = own + 4.0 * held_out * features + batch
    likely = libraries + max(training, scoring)
    return amount(likely, "estimated", low=0.85 * likely, high=1.3 * likely)


def binning_bytes(config: BoosterConfig, rows: int) -> float:
    """Return the bytes that a library takes for a while to find the bins of one feature.

    Fitted to the peaks of XGBoost 3.2 and LightGBM 4.7 on matrices of 16,000 to 400,000 rows and 100 features, with 64
    and 256 bins: they were within a quarter of this, but for LightGBM at 16,000 rows, which took less.

    Args:
        config: of the model.
        rows: that it trains on.
    """
    if config.library == "xgboost":
        each, most = _SKETCHED * rows, _PER_BIN * float(config.params.get("max_bin", 256))
        return each * most / (each + most)
    if config.library == "lightgbm":
        return _BINNED * min(rows, float(config.params.get("bin_construct_sample_cnt", _ROWS_BINNED)))
    return 0.0


def network_memory(facts: NetworkFacts, config: ImageConfig, *, idle: float | None) -> Amount:
    """Return how much memory of the machine the task of one network takes on a processor; estimated.

    Args:
        facts: of the network.
        config: of the model.
        idle: bytes of such a process without a network, if that was measured.
    """
    from isic_lesion.planning.network_facts import checkpoint_bytes, state_arrays

    state = 4.0 * facts.num_weights * (state_arrays(config) + 1)
    pictures = facts.remembered * -(-config.batch // config.pieces)
    likely = (idle or _TORCH) + state + max(pictures, checkpoint_bytes(facts, config))
    return amount(likely, "estimated", low=0.85 * likely, high=1.3 * likely)
