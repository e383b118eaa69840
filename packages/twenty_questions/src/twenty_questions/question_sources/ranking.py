"""Which questions to keep: those that add most information about the keyword to what is asked already.

What a set S of questions tells is F(S) = I(K; A_S), the information of all its answers together, in bits. The greedy
rule adds the question with the largest gain, again and again:

    gain(q | S) = I(K; A_q | A_S) = sum over answers a of P(a) I(K; A_q | A_S = a).

Answers are independent given the keyword, so F is monotone and submodular (Krause & Guestrin 2005, "Near-optimal
nonmyopic value of information in graphical models", Corollary 4), and the greedy set of any size has at least 1 - 1/e
of the information of the best set of that size (Nemhauser, Wolsey & Fisher 1978).

**Estimate.** The sum has 2^|S| terms, so it is taken over sampled histories instead: a secret drawn from the prior, and
its answers to S. Each history m has a posterior p_m, and by the formula of `information` for one posterior

    gain(q | S) = mean over m of  h(sum_k p_mk f_kq) - sum_k p_mk h(f_kq)        (h: binary entropy)

which is unbiased for the gain of any fixed question, never negative, and exact before the first answer. The second sum
needs only the mean posterior, so the cost of a step is one matrix product, histories x keywords x questions. Secrets
are drawn systematically (one from each 1/M of the prior's mass), and a history's answer to a question is drawn once.
The largest of many estimates is too large on average, so F(S) is told by other histories, which chose nothing: it is
H(K) less their mean posterior entropy, with its standard error.

**Second opinions.** To be independent given the keyword, two wordings of one question would have to err apart, which
they do not: asked twice, a partner says the same. So a question whose likeliest answers are the same as (or opposite
to) those of a chosen one, up to a share of their entropy, is not chosen; it adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twenty_questions.belief import entropy_bits, through_noise
from twenty_questions.information import binary_entropy
from twenty_questions.table import probability_of

__all__ = ["Ranking", "Step", "rank_questions", "shared_share"]

_ALL_CODES = np.arange(256, dtype=np.uint8)


class Step(NamedTuple):
    """A question that was chosen.

    Attributes:
        column: which.
        gain: what it was estimated to add when it was chosen, in bits.
        bits: information of all questions up to this one, by histories that chose nothing.
        error: standard error of `bits`.
    """

    column: int
    gain: float
    bits: float
    error: float


class Ranking(NamedTuple):
    """Questions in order of what they add.

    Attributes:
        steps: the best first.
        repeats: column -> the chosen column whose answers are the same, of questions that add nothing.
        entropy: of the prior, in bits: what there is to know.
    """

    steps: list[Step]
    repeats: dict[int, int]
    entropy: float


def shared_share(codes: NDArray[np.uint8], prior: NDArray[np.float64], column: int) -> NDArray[np.float64]:
    """Return how much of each question's likeliest answers those of one question tell, shape (Q,).

    It is I(B; C) / max(H(B), H(C)) of the two likeliest answers over the prior: 1 for the same or opposite answers
    throughout, 0 for independent ones, and 0 where either has one answer for all.
    """
    says_yes = probability_of(_ALL_CODES)[codes] > 0.5
    yes, yes_here = prior @ says_yes, float(prior @ says_yes[:, column])
    both = (prior * says_yes[:, column]) @ says_yes
    masses = np.clip([both, yes - both, yes_here - both, 1 - yes - yes_here + both], 0, 1)
    logs = np.log2(masses, out=np.zeros_like(masses), where=masses > 0)
    entropies, entropy_here = binary_entropy(np.clip(yes, 0, 1)), float(binary_entropy(min(max(yes_here, 0), 1)))
    most = np.maximum(entropies, entropy_here)
    shared = entropies + entropy_here + (masses * logs).sum(axis=0)
    informative = (np.minimum(entropies, entropy_here) > 1e-9) & (most > 0)
    return np.where(informative, np.clip(shared / np.where(most > 0, most, 1), 0, 1), 0.0)


def rank_questions(
    codes: NDArray[np.uint8],
    prior: NDArray[np.float64],
    *,
    budget: int,
    seed: int,
    noise: ArrayLike = 0.0,
    histories: int = 1024,
    least_gain: float = 0.0,
    same_share: float = 0.9,
    columns: Sequence[int] | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> Ranking:
    """Return the questions that greedy choice keeps, best first.

    Takes about `histories` x K x Q multiply-adds for each question chosen, and 8 K Q + 24 K `histories` bytes.

    Args:
        codes: uint8, shape (K, Q), the answers as a table codes them; K may be a sample of keywords.
        prior: shape (K,), positive, sums to 1.
        budget: how many questions at most, at least 1.
        seed: of the histories.
        noise: flip rate of the partner in [0, 1/2); one number, or one for each question, shape (Q,).
        histories: how many choose, and as many others judge; at least 2.
        least_gain: stop where the best question adds less, in bits; at least 0.
        same_share: from which `shared_share` on two questions count as one, in (0, 1].
        columns: which questions may be chosen; None: all.
        on_step: told of each question as it is chosen.

    Raises:
        ValueError: if a shape or number is out of range.
    """
    if codes.ndim != 2 or prior.shape != codes.shape[:1] or not prior.size:
        raise ValueError(f"expected codes (K, Q) and a prior (K,), got {codes.shape} and {prior.shape}")
    if budget < 1 or histories < 2:
        raise ValueError(f"expected budget >= 1 and histories >= 2, got {budget} and {histories}")
    rates = np.asarray(noise, dtype=np.float64)
    if rates.shape not in ((), codes.shape[1:]):
        raise ValueError(f"expected noise to be one number or of shape {codes.shape[1:]}, got shape {rates.shape}")
    if not (((rates >= 0) & (rates < 0.5)).all() and least_gain >= 0 and 0 < same_share <= 1):
        raise ValueError("expected noise in [0, 1/2), least_gain >= 0 and same_share in (0, 1]")
    num_questions = codes.shape[1]
    allowed = np.arange(num_questions) if columns is None else np.asarray(columns, dtype=np.intp)
    codes = np.ascontiguousarray(codes[:, allowed])
    p_yes, entropies = _heard(codes, np.broadcast_to(rates, num_questions)[allowed])
    choosing = _Histories(p_yes, prior, histories, np.random.default_rng([seed, 0]))
    judging = _Histories(p_yes, prior, histories, np.random.default_rng([seed, 1]))
    entropy = entropy_bits(prior)
    steps: list[Step] = []
    repeats: dict[int, int] = {}
    open_ones = np.ones(len(allowed), dtype=np.bool_)
    while len(steps) < budget and open_ones.any():
        posteriors = choosing.posteriors()
        gains = binary_entropy(posteriors @ p_yes).mean(axis=0) - posteriors.mean(axis=0) @ entropies
        gains[~open_ones] = -np.inf
        best = int(gains.argmax())
        gain = max(0.0, float(gains[best]))
        if gain < least_gain:
            break
        open_ones[best] = False
        choosing.hear(best)
        judging.hear(best)
        left = judging.entropies()
        told = Step(int(allowed[best]), gain, entropy - float(left.mean()), float(left.std(ddof=1) / histories**0.5))
        steps.append(told)
        on_step(told)
        same = open_ones & (shared_share(codes, prior, best) >= same_share)
        open_ones &= ~same
        repeats |= dict.fromkeys(allowed[same].tolist(), int(allowed[best]))
    return Ranking(steps, repeats, entropy)


def _heard(codes: NDArray[np.uint8], rates: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the probability of hearing yes, noise included, and the entropy of what is heard, both (K, Q)."""
    p_yes = np.empty(codes.shape, dtype=np.float32)
    entropies = np.empty(codes.shape, dtype=np.float32)
    for rate in np.unique(rates):
        heard = through_noise(probability_of(_ALL_CODES), rate)
        same = rates == rate
        p_yes[:, same] = heard.astype(np.float32)[codes[:, same]]
        entropies[:, same] = binary_entropy(heard).astype(np.float32)[codes[:, same]]
    return p_yes, entropies


class _Histories:
    """Secrets with fixed answers, and what is believed after those that were heard."""

    def __init__(
        self, p_yes: NDArray[np.float32], prior: NDArray[np.float64], number: int, rng: np.random.Generator
    ) -> None:
        places = (np.arange(number) + rng.random()) / number
        secrets = np.minimum(np.searchsorted(np.cumsum(prior), places, side="right"), len(prior) - 1)
        self._p_yes = p_yes
        self._answers = rng.random((number, p_yes.shape[1]), dtype=np.float32) < p_yes[secrets]
        self._log_posteriors = np.tile(np.log(prior), (number, 1))

    def hear(self, column: int) -> None:
        """Take every secret's answer to a question into account."""
        p_yes = self._p_yes[:, column].astype(np.float64)
        log_likelihoods = np.stack([np.log1p(-p_yes), np.log(p_yes)])
        self._log_posteriors += log_likelihoods[self._answers[:, column].astype(np.intp)]

    def posteriors(self) -> NDArray[np.float32]:
        """Return what is believed in each history, shape (histories, K)."""
        self._log_posteriors -= self._log_posteriors.max(axis=1, keepdims=True)
        masses = np.exp(self._log_posteriors)
        masses /= masses.sum(axis=1, keepdims=True)
        return np.asarray(masses, dtype=np.float32)

    def entropies(self) -> NDArray[np.float64]:
        """Return the entropy of each history's posterior in bits, shape (histories,)."""
        masses = self.posteriors().astype(np.float64)
        logs = np.log2(masses, out=np.zeros_like(masses), where=masses > 0)
        return np.asarray(-(masses * logs).sum(axis=1))
