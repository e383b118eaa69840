"""Simulated games by name (io): strategies, partners, and one part of a simulation as a task for the task engine."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError
from twenty_questions.alphabetical_players import (
    guess_the_split_word,
    halve_and_guess_best,
    public_agent_alpha,
    rounds_of_secrets,
)
from twenty_questions.belief import through_noise
from twenty_questions.bisection import WordList, forms_of
from twenty_questions.guesser import GuesserConfig
from twenty_questions.joint.config import JointConfig
from twenty_questions.joint.partners import ALPHA, LANGUAGE_MODEL, LIAR, WARY, PartnerType
from twenty_questions.joint.universe import universe_of
from twenty_questions.named_words import words_named
from twenty_questions.quality import Label
from twenty_questions.questions import Kind
from twenty_questions.simulated_partners import (
    Partner,
    accepting,
    careless,
    flipping,
    labelled_partner,
    lying,
    table_partner,
)
from twenty_questions.simulation import Outcome, simulate
from twenty_questions.strategies import Strategy, joint_strategy, table_strategy
from twenty_questions.table import AnswerTable, open_table
from twenty_questions.words import Keyword, normalise, spellings

__all__ = [
    "LABELLED_PARTNERS",
    "MIXTURE",
    "PARTNERS",
    "RIVALS",
    "STRATEGIES",
    "Secrets",
    "outcome_of",
    "play_part",
    "read_labels",
    "require_playable",
    "secrets_of",
]

STRATEGIES: Mapping[str, GuesserConfig | None] = {
    "table": GuesserConfig(handshake=False),
    "greedy": GuesserConfig(handshake=False, endgame_words=1),
    "meaning": GuesserConfig(handshake=False, letters=False),
    "opening": GuesserConfig(handshake=True),
    "one-belief": None,
    "specialist": None,
}
"""`table` asks everything, `greedy` does too but never looks ahead to the guess, `meaning` leaves out questions of
spelling, `opening` asks the handshake first and then bisects the words or asks the table, `one-belief` holds one belief
over partner and keyword, and `specialist` does too but is told which type its partner is; it also opens with the
handshake."""

RIVALS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.int64]]] = {
    "agent-alpha": public_agent_alpha,
    "split-word": guess_the_split_word,
    "halving": halve_and_guess_best,
}
"""Other players of the contest, against an exact partner alone: see `alphabetical_players`."""

PARTNERS = ("table", "alpha", "labels", "language-model", "liar")
"""`table` answers as the table says, `alpha` also knows the protocol, `labels` answers from a file of labels,
`language-model` answers meaning from labels and spelling carelessly, `liar` says yes to the handshake and then the
opposite of what it knows at a rate."""

LABELLED_PARTNERS = ("labels", "language-model")
"""Partners whose answers must be somebody else's."""

MIXTURE: Mapping[str, float] = {"alpha": 0.5, "language-model": 0.3, "liar": 0.2}
"""A mixed population of partners, and how common each is."""

LIES = 0.2
"""How often a liar says the opposite."""

_CARELESS: Mapping[Kind, float] = {"alphabetical": 0.45, "letter": 0.3, "list": 0.1}
_HANDSHAKE_BY_ACCIDENT = 0.05
_DECLINING = dataclasses.replace(ALPHA, name="declining", handshake_yes=0.0)
_TYPES: Mapping[str, PartnerType] = {
    "table": _DECLINING,
    "labels": _DECLINING,
    "language-model": LANGUAGE_MODEL,
    "alpha": ALPHA,
    "liar": LIAR,
}
"""What a specialist is told; any other partner is ours, which keeps the protocol."""

_MOST_NOISE = 0.45
_LABELS_FIX = "Give a CSV with the columns keyword, question, answer (yes or no)"


class Secrets(NamedTuple):
    """What is played for.

    Attributes:
        prior: float64, shape (K,), sums to 1: of all that can be the secret.
        played: the names of each game's secret, the keyword's own first, in order.
    """

    prior: NDArray[np.float64]
    played: Sequence[tuple[str, ...]]


def read_labels(path: Path) -> list[Label]:
    """Read answers of somebody else: a CSV with the columns keyword, question, answer (yes or no).

    Raises:
        InputError: naming the file and line that cannot be used.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns, rows = reader.fieldnames, list(reader)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})", fix=_LABELS_FIX) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})", fix=_LABELS_FIX) from error
    if columns and (lacking := [name for name in ("keyword", "question", "answer") if name not in columns]):
        raise InputError(f"{path}, line 1: lacks the column {lacking[0]!r}", fix=_LABELS_FIX)
    labels = []
    for number, row in enumerate(rows, start=2):
        if not (row.get("keyword") and row.get("question") and row.get("answer") in ("yes", "no")):
            told = ", ".join(repr(row.get(name)) for name in ("keyword", "question", "answer"))
            raise InputError(f"{path}, line {number}: expected keyword, question and an answer yes or no, got {told}")
        labels.append(Label(row["keyword"], row["question"], row["answer"] == "yes"))
    if not labels:
        raise InputError(f"{path}: holds no answers")
    return labels


def secrets_of(
    table: AnswerTable,
    partner: str,
    labels: Sequence[Label] | None,
    games: int,
    seed: int,
    *,
    given: Sequence[Keyword] = (),
    drawn_from: WordList | None = None,
) -> Secrets:
    """Return the secrets to play, in order.

    Args:
        table: the table, whose keywords are the secrets if nothing else is given.
        partner: a name of `PARTNERS`; one that answers from labels plays labelled keywords alone.
        labels: the labels, or None.
        games: how many secrets to draw by their prior; 0: every possible one once.
        seed: of the draw.
        given: keywords to play for instead, each as probable.
        drawn_from: words to play for instead, by their prior.

    Raises:
        InputError: if no possible keyword is labelled.
    """
    possible: Sequence[tuple[str, ...]]
    if drawn_from is not None:
        possible, prior = [(word,) for word in drawn_from.words], drawn_from.prior
    elif given:
        possible, prior = [keyword.names for keyword in given], np.full(len(given), 1 / len(given))
    else:
        possible, prior = [keyword.names for keyword in table.keywords], table.prior
    if partner in LABELLED_PARTNERS or labels:
        forms = {form for label in labels or () for form in spellings(label.keyword)}
        kept = [row for row, names in enumerate(possible) if any(normalise(name) in forms for name in names)]
        if not kept:
            raise InputError("none of the secrets is a labelled keyword", fix="Give labels of keywords that are played")
        possible, prior = [possible[row] for row in kept], prior[kept] / prior[kept].sum()
    if not games:
        return Secrets(prior, possible)
    rows = np.random.default_rng(seed).choice(len(possible), size=games, p=prior)
    return Secrets(prior, [possible[row] for row in rows.tolist()])


def play_part(inputs: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Play one part of a simulation; a task (see `furikaeri_common.tasks`).

    Args:
        inputs: see `outcome_of`.
        folder: not used.

    Returns:
        `found_in`: the round of the hit of each game, 0 for none.
    """
    return {"found_in": outcome_of(inputs).found_in.tolist()}


def require_playable(strategy: str, partner: str, noise: float, *, words: bool, labels: bool) -> None:
    """Refuse what cannot be played.

    Args:
        strategy: a name of `STRATEGIES` or `RIVALS`.
        partner: a name of `PARTNERS`.
        noise: the share of answers that are flipped.
        words: whether words were given.
        labels: whether labels were.

    Raises:
        InputError: if something is missing, or a rival is to play with another than an exact partner.
    """
    if partner in LABELLED_PARTNERS and not labels:
        raise InputError(f"the partner `{partner}` needs --labels CSV")
    if strategy in RIVALS and (partner != "alpha" or noise):
        raise InputError(
            f"the strategy `{strategy}` plays with exact partners alone", fix="Give --partner alpha, and no --noise"
        )
    if strategy in RIVALS and not words:
        raise InputError(f"the strategy `{strategy}` bisects words", fix="Name them with --words, such as built-in")


def outcome_of(inputs: Mapping[str, Any], partner: Partner | None = None) -> Outcome:
    """Play one part of a simulation.

    Args:
        inputs: table (folder), labels (file or None), words (a name that `named_words` knows, or None), words_prior,
            strategy, partner, noise, secrets (the names of each), first, rounds, seed. The first three are places of
            the task, and what they hold is told by others of its inputs, which are not used.
        partner: who answers, before the noise; None: the one that `inputs` names.
    """
    table = _opened(inputs["table"])
    labels = tuple(read_labels(Path(inputs["labels"]))) if inputs["labels"] else ()
    noise = float(inputs["noise"])
    words = words_named(inputs["words"], inputs.get("words_prior", "own")) if inputs["words"] else None
    if inputs["strategy"] in RIVALS:
        assert words is not None
        names = [name for name, *_ in inputs["secrets"]]
        found = rounds_of_secrets(_rounds_of_words(inputs["strategy"], words), forms_of(words), names)
        return Outcome(np.where(found <= inputs["rounds"], found, 0), ())
    return simulate(
        _strategy(inputs, _asked_about(inputs["table"], inputs["labels"]) if labels else table, words, noise),
        flipping(partner or _partner(inputs["partner"], table, labels, inputs["seed"]), noise),
        [Keyword(name, tuple(alts)) for name, *alts in inputs["secrets"]],
        seed=inputs["seed"],
        first=inputs["first"],
        rounds=inputs["rounds"],
    )


def _strategy(inputs: Mapping[str, Any], table: AnswerTable, words: WordList | None, noise: float) -> Strategy:
    config = STRATEGIES[inputs["strategy"]]
    if config is not None:
        config = dataclasses.replace(
            config,
            noise=min(max(config.noise, noise), _MOST_NOISE),
            letter_noise=min(noise + config.noise, _MOST_NOISE),
        )
        return table_strategy(table, config, words)
    rounds = int(inputs["rounds"])
    if inputs["strategy"] == "specialist":
        known = _noisier(_TYPES.get(inputs["partner"], ALPHA), noise)
        joint = JointConfig(population=((known, 1.0),), opening="handshake", rounds=rounds)
    else:
        joint = JointConfig(population=tuple((_noisier(kind, noise), share) for kind, share in WARY), rounds=rounds)
    return joint_strategy(universe_of(table, words), joint)


def _noisier(kind: PartnerType, noise: float) -> PartnerType:
    """Return a type whose answers are also flipped at a rate."""
    if not noise:
        return kind

    def flipped(rate: float) -> float:
        return float(through_noise(rate, noise))

    return dataclasses.replace(
        kind,
        handshake_yes=flipped(kind.handshake_yes),
        alphabetical_error=min(flipped(kind.alphabetical_error), _MOST_NOISE),
        letter_error=min(flipped(kind.letter_error), _MOST_NOISE),
        list_error=min(flipped(kind.list_error), _MOST_NOISE),
        table_error=min(flipped(kind.table_error), _MOST_NOISE),
    )


@lru_cache(maxsize=4)
def _rounds_of_words(rival: str, words: WordList) -> NDArray[np.int64]:
    return RIVALS[rival](words.prior)


@lru_cache(maxsize=2)
def _opened(folder: str) -> AnswerTable:
    return open_table(Path(folder))


def _partner(name: str, table: AnswerTable, labels: Sequence[Label], seed: int) -> Partner:
    knowing = table_partner(table)
    if labels:
        knowing = labelled_partner({(normalise(label.keyword), label.question): label.answer for label in labels})
    if name == "alpha":
        return accepting(knowing)
    if name == "language-model":
        return careless(knowing, _CARELESS, handshake=_HANDSHAKE_BY_ACCIDENT, seed=seed)
    return lying(knowing, LIES) if name == "liar" else knowing


@lru_cache(maxsize=2)
def _asked_about(folder: str, labels: str) -> AnswerTable:
    """Return the table without the questions of meaning that have no labels."""
    table = _opened(folder)
    texts = {label.question for label in read_labels(Path(labels))}
    columns = [
        column for column, question in enumerate(table.questions) if question.kind != "table" or question.text in texts
    ]
    return dataclasses.replace(
        table,
        questions=tuple(table.questions[column] for column in columns),
        codes=np.ascontiguousarray(table.codes[:, columns]),
    )
