"""The questions that are worth weighing: of each kind that can be made up, the best one, with its outlook."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.joint.belief import JointBelief, local
from twenty_questions.joint.criterion import Outlook, information, outlook_of_spelling
from twenty_questions.joint.spelled import holds
from twenty_questions.joint.universe import Universe, positions_matching
from twenty_questions.questions import LONGEST_QUESTION, Question, alphabetical, can_be_listed, one_of
from twenty_questions.spelling_questions import letter_questions

__all__ = [
    "Candidate",
    "alphabetical_candidates",
    "letter_candidates",
    "list_candidates",
    "members_of_letter",
]

Floats = NDArray[np.float64]

_BLOCK = 1024


class Candidate(NamedTuple):
    """A question and its outlook, n = 1."""

    question: Question
    outlook: Outlook


def alphabetical_candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    errors: Floats,
    asked: Container[str],
    count: int = 1,
) -> list[Candidate]:
    """Return the alphabetical questions whose P(yes) is nearest to 1/2, the nearest first, none that was asked.

    Args:
        universe: holds the words.
        belief: what is known.
        type_mass: shape (T,), the probability of each type.
        errors: shape (T,), how often each type errs.
        asked: keys of questions already asked.
        count: how many are wanted at most.
    """
    weights = belief.weights
    size = belief.support.size
    whole = size - size % _BLOCK
    slope = 1 - 2 * errors
    of_blocks = weights[:, :whole].reshape(len(weights), -1, _BLOCK).sum(axis=2)
    of_blocks = np.concatenate([of_blocks, weights[:, whole:].sum(axis=1, keepdims=True)], axis=1)
    before_block = np.cumsum(slope @ of_blocks)
    half = float(slope @ type_mass) / 2
    block = min(int(np.searchsorted(before_block, half)), before_block.size - 1)
    # Boundaries before the words of three blocks: enough to pass over those that were asked.
    low, high = max(0, (block - 1) * _BLOCK), min(size, (block + 2) * _BLOCK)
    start = np.zeros(len(weights)) + of_blocks[:, : low // _BLOCK].sum(axis=1)
    inside = start[:, None] + np.cumsum(weights[:, low:high], axis=1) - weights[:, low:high]
    distance = np.abs(slope @ inside - half)
    found: list[Candidate] = []
    for place in np.argsort(distance, kind="stable").tolist():
        word = universe.words.words[int(belief.support[low + place])].lower()
        question = alphabetical(word)
        if question.key not in asked and '"' not in word:
            found.append(Candidate(question, outlook_of_spelling(type_mass, inside[None, :, place], errors)))
            if len(found) == count:
                break
    return found


def list_candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    likely: NDArray[np.intp],
    errors: Floats,
    asked: Container[str],
    *,
    several: bool = False,
) -> list[Candidate]:
    """Return lists of the most probable words that come as near to half of the mass as their length allows.

    Args:
        universe: holds the words.
        belief: what is known.
        type_mass: shape (T,), the probability of each type.
        likely: where the most probable words are held, the first first.
        errors: shape (T,), how often each type errs.
        asked: keys of questions already asked.
        several: also lists that leave out the most probable word, which the guess is for, and every second word.
    """
    names = [universe.words.words[position] for position in belief.support[likely].tolist()]
    usable = [place for place, name in enumerate(names) if can_be_listed(name)]
    slope = 1 - 2 * errors
    half = float(slope @ type_mass) / 2
    mass = slope @ belief.weights[:, likely]
    orders = [usable, usable[1:], usable[::2], usable[1::2]] if several else [usable]
    found: dict[str, Candidate] = {}
    for order in orders:
        listed = _nearest_to(half, [(names[place], float(mass[place])) for place in order])
        if not listed:
            continue
        question = one_of(listed)
        if question.key in asked or question.key in found:
            continue
        members = local(belief, positions_matching(universe, listed))
        inside = belief.weights[:, members].sum(axis=1)
        found[question.key] = Candidate(question, outlook_of_spelling(type_mass, inside[None], errors))
    return list(found.values())


def letter_candidates(
    universe: Universe,
    belief: JointBelief,
    type_mass: Floats,
    likely: NDArray[np.intp],
    errors: Floats,
    asked: Container[str],
    count: int = 1,
) -> list[Candidate]:
    """Return the best questions about letters: ranked over the most probable words, with their outlook over all.

    Args:
        universe: holds the words.
        belief: what is known.
        type_mass: shape (T,), the probability of each type.
        likely: where the most probable words are held.
        errors: shape (T,), how often each type errs.
        asked: keys of questions already asked.
        count: how many are wanted at most.
    """
    questions = [question for question in letter_questions().values() if question.key not in asked]
    if not questions:
        return []
    weights = belief.weights[:, likely]
    weights = weights / weights.sum()
    positions = belief.support[likely]
    flags = np.stack([holds(question, universe.spelling, universe.words.words, positions) for question in questions])
    outlook = outlook_of_spelling(weights.sum(axis=1), flags.astype(np.float64) @ weights.T, errors)
    ranked = np.argsort(-information(weights.sum(axis=1), outlook).total, kind="stable")[:count]
    found = []
    for place in ranked.tolist():
        inside = belief.weights @ members_of_letter(universe, belief, questions[place]).astype(np.float64)
        found.append(Candidate(questions[place], outlook_of_spelling(type_mass, inside[None], errors)))
    return found


def members_of_letter(universe: Universe, belief: JointBelief, question: Question) -> NDArray[np.bool_]:
    """Return the honest answers to a letter question for the words held, shape (S,)."""
    everything = belief.support.size == len(universe.words.words)
    at = slice(None) if everything else belief.support
    return holds(question, universe.spelling, universe.words.words, at)


def _nearest_to(half: float, names: Sequence[tuple[str, float]]) -> list[str]:
    """Return the first names, as many as bring their mass nearest to `half` and fit into a question."""
    listed: list[str] = []
    length, mass = len(one_of(["ab"]).text) - len("ab"), 0.0
    for name, weight in names:
        length += len(name) + (2 if listed else 0)
        if length > LONGEST_QUESTION or (listed and abs(mass + weight - half) >= abs(mass - half)):
            break
        listed.append(name)
        mass += weight
    return listed
