"""What players are worth, from whole games: the embedding scores of both roles, find rates and rewards.

As in the original solution, games that bisect the alphabet are kept apart. Their guesses tell nothing about meaning, so
they have no embedding score, and are judged by find rate and mean reward. A game bisects if its handshake was answered
yes, or if at least half of its questions are about alphabetical order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.embedders import Encoder
from twenty_questions.questions import HANDSHAKE
from twenty_questions.rules import answer_by_rule
from twenty_questions.simulation import wilson_interval
from twenty_questions.studies.intervals import Estimate, mean_estimate
from twenty_questions.studies.similarities import best_similarities
from twenty_questions.transcripts import Game, players_of
from twenty_questions.words import names_match

__all__ = ["GameFigures", "GamesStudy", "PlayerFigures", "bisects", "found", "lost", "study_games"]

_ORDER_RULES = frozenset({"bisection", "order", "order_between", "order_first", "order_reversed"})
_SURE_WIN = 2  # an error gives the others 1, as does a hit in the last round; more is a hit


class GameFigures(NamedTuple):
    """How some games ended.

    Attributes:
        games: how many.
        find_rate: share of them in which the keyword was found, with Wilson's interval.
        win_rate: share of the games decided by a hit in which the hit was this pair's, with Wilson's interval.
        mean_reward: of the games whose reward is known, with Student's interval.
        winning_reward: mean reward of the games in which the keyword was found; NaN without any.
    """

    games: int
    find_rate: Estimate
    win_rate: Estimate
    mean_reward: Estimate
    winning_reward: float


class PlayerFigures(NamedTuple):
    """How well one player does.

    Attributes:
        player: its name; "" where the record does not tell.
        guesser_games: games it guessed in that have an embedding score.
        guesser_score: mean over them of the largest similarity of its guesses with the keyword.
        answerer_games: games it answered in that have one.
        answerer_score: mean over them of the largest similarity of its partner's guesses.
        total: the sum of the two scores, which ranks players; NaN without both.
        bisection: its games that bisect, in either role.
        others: its other games, in either role.
    """

    player: str
    guesser_games: int
    guesser_score: Estimate
    answerer_games: int
    answerer_score: Estimate
    total: float
    bisection: GameFigures
    others: GameFigures


class GamesStudy(NamedTuple):
    """Everything measured.

    Attributes:
        games: number of games.
        bisecting: how many of them bisect.
        scored: how many have an embedding score.
        players: the best total first; those without one after them, by find rate.
        all_bisection: the figures of all games that bisect.
        all_others: of all others.
    """

    games: int
    bisecting: int
    scored: int
    players: tuple[PlayerFigures, ...]
    all_bisection: GameFigures
    all_others: GameFigures


def bisects(game: Game) -> bool:
    """Return whether a game bisects the alphabet (see the module)."""
    asked = [number for number in game.rounds if number.question]
    if any(number.question == HANDSHAKE.text and number.answer == "yes" for number in asked):
        return True
    about_order = sum(_is_about_order(number.question or "") for number in asked)
    return 2 * about_order >= len(asked) > 0


def found(game: Game) -> bool:
    """Return whether the pair found the keyword: a guess matches it, or, for alts are not told, the reward says so."""
    if game.reward is not None and game.reward >= _SURE_WIN:
        return True
    return bool(game.keyword) and any(
        number.guess is not None and names_match(number.guess, game.keyword) for number in game.rounds
    )


def lost(game: Game) -> bool:
    """Return whether the other pair found the keyword first, which alone gives 0."""
    return game.reward == 0 and not found(game)


def study_games(games: Sequence[Game], encoder: Encoder | None = None, *, least_games: int = 1) -> GamesStudy:
    """Measure players by their games.

    Args:
        games: of any matches.
        encoder: of sentences; None: no embedding scores.
        least_games: players with fewer games, over both roles, are left out; at least 1.

    Raises:
        ValueError: if there is no game.
    """
    if not games:
        raise ValueError("expected at least one game, got none")
    bisecting = np.asarray([bisects(game) for game in games])
    scores = np.full(len(games), np.nan)
    others = np.flatnonzero(~bisecting).tolist()
    if encoder is not None:
        said = [[number.guess for number in games[row].rounds if number.guess] for row in others]
        scores[others] = best_similarities(encoder, [games[row].keyword for row in others], said)
    guessed: dict[str, list[int]] = {}
    answered: dict[str, list[int]] = {}
    for row, game in enumerate(games):
        guesser, answerer = players_of(game)
        guessed.setdefault(guesser, []).append(row)
        answered.setdefault(answerer, []).append(row)
    players = [
        _player(name, games, scores, bisecting, guessed.get(name, []), answered.get(name, []))
        for name in dict.fromkeys((*guessed, *answered))
        if len({*guessed.get(name, []), *answered.get(name, [])}) >= least_games
    ]
    players.sort(key=_rank)
    return GamesStudy(
        games=len(games),
        bisecting=int(bisecting.sum()),
        scored=int(np.isfinite(scores).sum()),
        players=tuple(players),
        all_bisection=_figures([game for game, does in zip(games, bisecting, strict=True) if does]),
        all_others=_figures([game for game, does in zip(games, bisecting, strict=True) if not does]),
    )


def _is_about_order(question: str) -> bool:
    """Say whether a rule of alphabetical order answers it; which keyword is asked about does not matter."""
    return not _ORDER_RULES.isdisjoint(answer_by_rule(question, "lamp").rule.split("+"))


def _player(
    name: str,
    games: Sequence[Game],
    scores: NDArray[np.float64],
    bisecting: NDArray[np.bool_],
    guessed: Sequence[int],
    answered: Sequence[int],
) -> PlayerFigures:
    own, partners = (scores[list(rows)][np.isfinite(scores[list(rows)])] for rows in (guessed, answered))
    # A pair of one name plays one game, not two.
    rows = sorted({*guessed, *answered})
    guesser_score, answerer_score = mean_estimate(own), mean_estimate(partners)
    return PlayerFigures(
        player=name,
        guesser_games=len(own),
        guesser_score=guesser_score,
        answerer_games=len(partners),
        answerer_score=answerer_score,
        total=guesser_score.value + answerer_score.value,
        bisection=_figures([games[row] for row in rows if bisecting[row]]),
        others=_figures([games[row] for row in rows if not bisecting[row]]),
    )


def _figures(games: Sequence[Game]) -> GameFigures:
    hits = [game for game in games if found(game)]
    decided = len(hits) + sum(lost(game) for game in games)
    winning = [game.reward for game in hits if game.reward is not None]
    return GameFigures(
        games=len(games),
        find_rate=_rate(len(hits), len(games)),
        win_rate=_rate(len(hits), decided),
        mean_reward=mean_estimate([game.reward for game in games if game.reward is not None]),
        winning_reward=float(np.mean(winning)) if winning else float("nan"),
    )


def _rate(hits: int, trials: int) -> Estimate:
    if not trials:
        return Estimate(float("nan"), float("nan"), float("nan"))
    return Estimate(hits / trials, *wilson_interval(hits / trials, trials))


def _rank(player: PlayerFigures) -> tuple[float, float, str]:
    total = -player.total if np.isfinite(player.total) else np.inf
    rates = [figures.find_rate.value for figures in (player.others, player.bisection) if figures.games]
    return float(total), -max(rates, default=0.0), player.player
