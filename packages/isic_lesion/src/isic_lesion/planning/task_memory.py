"""How much memory a task takes: a booster of so many rows and features, a network of so many weights."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from furikaeri_common.planning import Amount, Plan, amount
from isic_lesion.boosters.config import BoosterConfig

if TYPE_CHECKING:
    from isic_lesion.image_models.config import ImageConfig
    from isic_lesion.planning.network_facts import NetworkFacts

__all__ = ["booster_memory", "memory_of_tasks", "network_memory", "sampled_rows"]

_BATCH = 64  # columns of a file of features, which are held at once while a matrix is filled
_LIBRARIES = 2.6e8  # bytes of a process that has read its libraries and trained nothing
_TORCH = 8.5e8
_KERNEL_COPIES = 4  # of the square matrix of a kernel model


def sampled_rows(config: BoosterConfig, rows: int, positive: int) -> int:
    """Return how many rows a booster trains on, among so many of which some are positive; see `sample_rows`."""
    wanted = positive
    if config.least_positive_ratio is not None:
        wanted = max(wanted, round(config.least_positive_ratio * (rows - positive)))
    negative = rows - positive
    if config.negatives_per_positive is not None:
        negative = min(negative, round(config.negatives_per_positive * wanted))
    return (wanted + negative) * (2 if config.hospital_features == "blanked" else 1)


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
    """Return how much memory the task of one booster takes; estimated.

    While rows are read there is their matrix of float32 and one batch of columns of all rows; the noise on image scores
    takes a copy of the matrix; the library's own copy has a byte a value. Held-out rows are read beside the latter.

    Args:
        config: of the model.
        rows: of the table.
        positive: rows of label 1 among them.
        features: that the model uses.
        held_out: rows that are scored.
        noisy: whether there are image scores among the features, on which noise is laid.
        libraries: bytes of the process beside what it computes with.
    """
    trained = sampled_rows(config, rows - held_out, positive)
    values, batch = 4.0 * trained * features, 2 * 4.0 * rows * min(_BATCH, features)
    copies = 1 + (noisy and any(fnmatchcase("image_", pattern[:6]) for pattern in config.feature_noise))
    own = float(trained * features)
    if config.library == "extra-trees":
        copies, own = copies + 3, 0.0
    if config.library == "kernel":
        square = min(trained, int(config.params.get("max_rows", 4000)))
        own = 8.0 * square * (_KERNEL_COPIES * square + 2 * features)
    training = max(values + batch, copies * values + own)
    scoring = own + 4.0 * held_out * features + batch
    likely = libraries + max(training, scoring)
    return amount(likely, "estimated", low=0.85 * likely, high=1.3 * likely)


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


def memory_of_tasks(plan: Plan) -> dict[str, Amount]:
    """Return how much memory one task of each stage of a plan takes, where that is known: what to set aside for it."""
    return {stage.name: stage.memory for stage in plan.stages if stage.memory is not None}
