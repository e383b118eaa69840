"""The choice of a question: for the least rounds, for the reward, or for what the answer tells.

- **An exact partner is bisected for the least rounds.** While a type that hardly errs on the order of words is all but
  certain, and few words agree with its answers, the boundary is that of `split_costs.soonest_boundary` among them.
- **Few words are played for the reward.** Once a few words hold nearly all of the mass, `endgame.reward_to_go` weighs
  the best questions of every kind.
- **Otherwise the answer that tells most** about partner and keyword together is asked for (see `criterion`). A kind of
  question whose least noise already rules it out is not looked at: no answer tells more than 1 - sum_t W_t h(e_t) bits.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from twenty_questions.endgame import reward_to_go
from twenty_questions.information import SAME_BITS, binary_entropy, choose
from twenty_questions.joint import belief as beliefs
from twenty_questions.joint.answering import answers_to
from twenty_questions.joint.belief import JointBelief
from twenty_questions.joint.candidates import (
    Candidate,
    alphabetical_candidates,
    letter_candidates,
    list_candidates,
)
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.criterion import (
    Outlook,
    information,
    outlook_of_handshake,
    outlook_of_spelling,
    outlook_of_table,
)
from twenty_questions.joint.partners import error_rates, handshake_yes
from twenty_questions.joint.reach import within_reach
from twenty_questions.joint.universe import Universe
from twenty_questions.questions import HANDSHAKE, Question, alphabetical
from twenty_questions.split_costs import soonest_boundary

__all__ = ["JointInfo", "best_question", "soonest_split"]

_LIKELY = 4096
"""Questions about letters are ranked over so many of the most probable words."""

_LISTED = 128
"""Lists are made of so many of them."""

_COLUMNS = 12
"""The end game weighs so many of the table's questions."""

_EXACT_ERROR, _EXACT_SHARE = 0.01, 0.9
"""A partner of a type that errs no more than this on the order of words, and is as probable as that, is exact."""

_CONSISTENT = 0.1
"""Words whose answers an exact partner would have given less than this share as often as another's contradict one."""

_SPLIT_WORDS, _SECOND_LOOKS = 32_768, 4096
"""Splits for the least rounds are among so many words at most, and looked at twice among so few."""

_ROUNDING = 1e-9

Floats = NDArray[np.float64]

_Kind: TypeAlias = Literal["alphabetical", "letter", "list", "table"]


class JointInfo(NamedTuple):
    """Why a question was chosen; the first three are given that the secret is within reach (see `JointConfig`).

    Attributes:
        partner_bits: what its answer is expected to tell about the type of partner.
        keyword_bits: what it is expected to tell about the keyword, once the type is known.
        p_yes: how probable the answer "yes" is.
        entropy_bits: the uncertainty about the keyword before it is asked.
        reward: the reward to go, plus one, that the look-ahead promises (see `endgame`); None outside the end game.
    """

    partner_bits: float
    keyword_bits: float
    p_yes: float
    entropy_bits: float
    reward: float | None = None

    @property
    def information_bits(self) -> float:
        """What the answer is expected to tell in all."""
        return self.partner_bits + self.keyword_bits


def best_question(
    universe: Universe,
    belief: JointBelief,
    config: JointConfig,
    rng: np.random.Generator,
    *,
    asked: Container[str],
    rounds_left: int,
) -> tuple[Question, JointInfo]:
    """Return the question to ask, and why.

    Args:
        universe: what can be guessed and asked.
        belief: what is known.
        config: how to play.
        rng: breaks ties.
        asked: keys of the questions asked before, which are not asked again while there is another.
        rounds_left: how many rounds are left, this one included, at least 1.
    """
    type_mass = beliefs.type_posterior(belief)
    if not type_mass.any():
        # Every word is ruled out: ask as if none were, for the sake of what a person may learn from it.
        belief = beliefs.start(universe.words.prior, config.population)
        type_mass = beliefs.type_posterior(belief)
    p = beliefs.word_posterior(belief)
    entropy = _entropy_bits(p)
    # While it is open who answers, what can still be found with each of them is no guide.
    partner_is_open = (
        HANDSHAKE.key not in asked and _bits(type_mass, [_handshake(type_mass, config)])[0] > config.tie_bits
    )
    if config.reach_bits is not None and not partner_is_open:
        belief, type_mass = within_reach(universe, belief, type_mass, rounds_left, config)
        p = beliefs.word_posterior(belief)
    if config.opening == "handshake" and rounds_left == config.rounds and HANDSHAKE.key not in asked:
        return HANDSHAKE, _info(type_mass, _handshake(type_mass, config), entropy)
    soonest = soonest_split(universe, belief, type_mass, asked, rounds_left, config)
    if soonest is not None:
        return soonest.question, _info(type_mass, soonest, entropy)
    likely = beliefs.likeliest(p, _LIKELY)
    few = likely[: config.endgame_words]
    ends = config.endgame_words > 1 and bool(1 - p[few].sum() <= config.endgame_miss + _ROUNDING)
    if ends:
        # The rest of the game is about these words alone.
        belief = beliefs.only(belief, np.sort(few))
        type_mass = beliefs.type_posterior(belief)
        likely = beliefs.likeliest(beliefs.word_posterior(belief), _LIKELY)
    # Where everything was asked, as of a tiny list, the handshake stands in.
    candidates = _candidates(universe, belief, type_mass, likely, asked, config, several=ends)
    candidates = candidates or [_handshake(type_mass, config)]
    if not ends:
        best = candidates[choose(-_bits(type_mass, candidates), rng, tolerance=config.tie_bits)]
        return best.question, _info(type_mass, best, entropy)
    p_yes = np.stack([answers_to(universe, one.question, belief.support, config) for one in candidates])
    worth = reward_to_go(belief.weights, p_yes, rounds_left, config.endgame_depth)
    place = choose(-worth, rng)
    best = candidates[place]
    return best.question, _info(type_mass, best, entropy)._replace(reward=float(worth[place]))


def soonest_split(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    asked: Container[str],
    rounds_left: int,
    config: JointConfig,
) -> Candidate | None:
    """Return the split after which an exact partner's secret is found soonest.

    It is among the words that contradict none of an exact partner's answers, wrong guesses left out: None if these are
    fewer than two, or so many that halving them does as well, or hold less than half of what exact types give to all;
    and None if no exact type is all but certain.
    """
    errors = error_rates(config.population, "alphabetical")
    exact = np.flatnonzero(errors <= _EXACT_ERROR)
    if type_mass[exact].sum() < _EXACT_SHARE:
        return None
    mass = belief.weights[exact[0]] if exact.size == 1 else belief.weights[exact].sum(axis=0)
    likelihood = mass / universe.words.prior[belief.support]
    held = np.flatnonzero(likelihood > _CONSISTENT * likelihood.max())
    if not 2 <= held.size <= _SPLIT_WORDS or 2 * mass[held].sum() < type_mass[exact].sum():
        return None
    looks = 8 if held.size <= _SECOND_LOOKS else 0
    place = int(held[soonest_boundary(mass[held], second_looks=looks, rounds_left=rounds_left)])
    word = universe.words.words[int(belief.support[place])].lower()
    question = alphabetical(word)
    if question.key in asked or '"' in word:
        return None
    inside = belief.weights[:, :place].sum(axis=1)
    return Candidate(question, outlook_of_spelling(type_mass, inside[None], errors))


def _candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    likely: NDArray[np.intp],
    asked: Container[str],
    config: JointConfig,
    *,
    several: bool,
) -> list[Candidate]:
    """Return the best questions of each kind, those that no answer makes the best left out; or several for the end."""
    errors = {kind: error_rates(config.population, kind) for kind in get_args(_Kind)}
    found = alphabetical_candidates(universe, belief, type_mass, errors["alphabetical"], asked, 8 if several else 1)
    least = -np.inf if several else _bits(type_mass, found).max(initial=0.0) - max(config.tie_bits, SAME_BITS)
    if config.lists and _may_be_best(type_mass, errors["list"], least):
        found += list_candidates(universe, belief, type_mass, likely[:_LISTED], errors["list"], asked, several=several)
    if config.letters and _may_be_best(type_mass, errors["letter"], least):
        found += letter_candidates(universe, belief, type_mass, likely, errors["letter"], asked, 4 if several else 1)
    if HANDSHAKE.key not in asked:
        found.append(_handshake(type_mass, config))
    if _may_be_best(type_mass, errors["table"], least):
        found += _table_candidates(universe, belief, type_mass, errors["table"], asked, config, several=several)
    return found


def _may_be_best(type_mass: Floats, errors: Floats, least: float) -> bool:
    """Return whether a question of a kind with these errors may tell as much as the least that counts."""
    return bool(1 - type_mass @ binary_entropy(errors) >= least)


def _handshake(type_mass: Floats, config: JointConfig) -> Candidate:
    return Candidate(HANDSHAKE, outlook_of_handshake(type_mass, handshake_yes(config.population)))


def _table_candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    errors: Floats,
    asked: Container[str],
    config: JointConfig,
    *,
    several: bool,
) -> list[Candidate]:
    """Return the table's questions that are equals of its best, in its order; or several, the best first."""
    columns = outlook_of_table(universe, belief, type_mass, errors, shrink=config.shrink, kernel=config.kernel)
    was_asked = np.array([question.key in asked for question in universe.table.questions])
    bits = np.where(universe.askable & ~was_asked, information(type_mass, columns).total, -np.inf)
    if several:
        kept = np.argsort(-bits, kind="stable")[:_COLUMNS]
    else:
        kept = np.flatnonzero(bits >= bits.max() - max(config.tie_bits, SAME_BITS))
    return [
        Candidate(universe.table.questions[column], Outlook(columns.yes[[column]], columns.noise[[column]]))
        for column in kept[np.isfinite(bits[kept])].tolist()
    ]


def _bits(type_mass: Floats, candidates: Sequence[Candidate]) -> Floats:
    """Return what each candidate is expected to tell."""
    outlook = Outlook(
        np.concatenate([np.empty((0, type_mass.size)), *(one.outlook.yes for one in candidates)]),
        np.concatenate([np.empty(0), *(one.outlook.noise for one in candidates)]),
    )
    return information(type_mass, outlook).total


def _info(type_mass: Floats, candidate: Candidate, entropy: float) -> JointInfo:
    told = information(type_mass, candidate.outlook)
    return JointInfo(float(told.partner[0]), float(told.keyword[0]), float(told.p_yes[0]), entropy)


def _entropy_bits(p: Floats) -> float:
    """Return `belief.entropy_bits` of a million probabilities, without a copy of those above 0."""
    logs = np.maximum(p, np.finfo(np.float64).tiny)
    np.log2(logs, out=logs)
    return max(0.0, -float(p @ logs))
