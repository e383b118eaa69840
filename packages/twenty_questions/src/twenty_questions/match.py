"""A whole match: two pairs, one keyword, the contest engine's exact rules.

Both pairs play the same keyword at once, each round in three turns: the guessers ask, the answerers answer, the
guessers guess. The engine judges a turn only when both pairs have acted, and does so with some faults of its own. They
decide rewards, so they are kept here, as version 1.18.0 has them:

- A question may name the keyword: that counts as guessed. If both pairs do so in one turn, play goes on, and from then
  on the guessers' observations show the keyword. If one does, the engine raises before the next turn is over; what it
  leaves behind (the namer's points, agents still to move) is the result, with the reason "fault".
- An action that cannot be copied (a generator, a lock) makes it raise at once: also a "fault".
- An agent that raises, is late or returns no text is out with None, and the match ends: the other three get 1.
  Whatever an answerer did wrong is called ERROR.
- That 1 also replaces the points of a pair that names the keyword in the very turn in which the other guesser errs. The
  erring guesser's pair then gets 0, and an empty text even makes its ERROR a DONE.
- A question is kept to 750 characters and a guess to 100, but judged whole.
- Any text that holds "yes" is yes, else any that holds "no" is no, even "I do not know".
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from twenty_questions.transcripts import Game, Round, rounds_of
from twenty_questions.words import Keyword, matches

__all__ = [
    "ACT_SECONDS",
    "GUESS_LENGTH",
    "OVERAGE_SECONDS",
    "QUESTION_LENGTH",
    "ROUNDS",
    "Agent",
    "MatchResult",
    "Observation",
    "Reason",
    "Status",
    "games_of",
    "play",
]

ROUNDS = 20
QUESTION_LENGTH = 750
GUESS_LENGTH = 100
ACT_SECONDS = 60
OVERAGE_SECONDS = 300

Status = Literal["ACTIVE", "INACTIVE", "DONE", "ERROR", "INVALID", "TIMEOUT"]
Reason = Literal["guessed", "exhausted", "error", "fault"]
Turn = Literal["ask", "answer", "guess"]

Agent = Callable[..., Any]
"""Called with an observation and a configuration; functions that take fewer arguments get the first of them."""

_TURNS: tuple[Turn, ...] = ("ask", "answer", "guess")


class Observation(dict[str, Any]):
    """A mapping whose items are attributes too, as the engine passes its observations."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class MatchResult(NamedTuple):
    """How a match ended, for guesser, answerer, guesser, answerer.

    Attributes:
        rewards: points; None for an agent that erred.
        statuses: the engine's words.
        pairs: what each pair asked, answered and guessed.
    """

    rewards: tuple[int | None, ...]
    statuses: tuple[Status, ...]
    pairs: tuple[tuple[Round, ...], tuple[Round, ...]]

    @property
    def reason(self) -> Reason:
        """Why it ended: a pair guessed, all rounds were played, an agent erred, or the engine itself failed."""
        if "ACTIVE" in self.statuses:
            return "fault"
        if None in self.rewards:
            return "error"
        if all(reward == -1 for reward in self.rewards):
            return "exhausted"
        # A guesser's empty text can end as DONE; then its pair is a turn behind.
        return "guessed" if _turns_taken(self.pairs[0]) == _turns_taken(self.pairs[1]) else "error"


def play(
    agents: Sequence[Agent],
    keyword: Keyword,
    *,
    category: str = "things",
    rounds: int = ROUNDS,
    clock: Callable[[], float] = time.perf_counter,
) -> MatchResult:
    """Play one match.

    Args:
        agents: guesser, answerer, guesser, answerer. What they raise ends the match, not the call.
        keyword: the secret.
        category: what answerers are told of it.
        rounds: at least 1; other numbers than the contest's 20 give rounds + 1 - r points in round r.
        clock: tells seconds; an agent has 60 a turn and 300 more in a match.

    Raises:
        ValueError: if there are not four agents, or less than one round.
    """
    if len(agents) != 4 or rounds < 1:
        raise ValueError(f"expected 4 agents and at least 1 round, got {len(agents)} and {rounds}")
    table = _Table(keyword, category, rounds, clock)
    seats = [_Seat(agent) for agent in agents]
    pairs = (_Pair(seats[0], seats[1]), _Pair(seats[2], seats[3]))
    for step in range(3 * rounds):
        if _play_turn(table, pairs, step):
            break
    return MatchResult(
        rewards=tuple(seat.reward for seat in seats),
        statuses=tuple(seat.status for seat in seats),
        pairs=(pairs[0].transcript(), pairs[1].transcript()),
    )


def games_of(result: MatchResult, keyword: Keyword, sources: tuple[str, str]) -> tuple[Game, Game]:
    """Return the two games of a match, `sources` saying who the pairs were."""
    one, other = (
        Game(keyword.name, rounds, reward, source)
        for rounds, reward, source in zip(result.pairs, result.rewards[::2], sources, strict=True)
    )
    return one, other


@dataclass(frozen=True, slots=True)
class _Table:
    """What the four sit at."""

    keyword: Keyword
    category: str
    rounds: int
    clock: Callable[[], float]

    def configuration(self) -> Observation:
        return Observation(episodeSteps=3 * self.rounds + 1, actTimeout=ACT_SECONDS, runTimeout=9600, agentTimeout=3600)


@dataclass(slots=True)
class _Seat:
    agent: Agent
    overage: float = OVERAGE_SECONDS
    reward: int | None = 0
    status: Status = "INACTIVE"

    def settle(self, reward: int | None, status: Status = "DONE") -> None:
        self.reward, self.status = reward, status


@dataclass(slots=True)
class _Pair:
    guesser: _Seat
    answerer: _Seat
    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    shown_keyword: bool = False

    def settle(self, reward: int) -> None:
        self.guesser.settle(reward)
        self.answerer.settle(reward)

    def transcript(self) -> tuple[Round, ...]:
        return rounds_of(self.questions, self.answers, self.guesses)


class _Action(NamedTuple):
    """What an agent did: its text, or why there is none."""

    text: str = ""
    failure: Status | None = None


class _Uncopyable(Exception):
    """The engine copies every action, and raises where that fails."""


def _play_turn(table: _Table, pairs: tuple[_Pair, _Pair], step: int) -> bool:
    """Let both pairs act, then judge both; return whether the match is over."""
    turn = _TURNS[step % 3]
    for pair in pairs:
        pair.guesser.status = "INACTIVE" if turn == "answer" else "ACTIVE"
        pair.answerer.status = "ACTIVE" if turn == "answer" else "INACTIVE"
    try:
        actions = [_act(table, pair, turn, step) for pair in pairs]
    except _Uncopyable:
        return True
    if turn == "answer":
        erred = [_hear_answer(pair, action) for pair, action in zip(pairs, actions, strict=True)]
        named = [False, False]
    else:
        erred = [_hear_guesser(pair, action, turn) for pair, action in zip(pairs, actions, strict=True)]
        named = [action.text != "" and matches(action.text, table.keyword) for action in actions]
    if any(erred):
        _end_in_error(pairs, actions, named)
        return True
    score = table.rounds - step // 3
    if any(named):
        if turn == "guess":
            _end_in_guess(pairs, named, score)
            return True
        return _name_in_question(pairs, named, score)
    if step == 3 * table.rounds - 1:
        for pair in pairs:
            pair.settle(-1)
    return False


def _act(table: _Table, pair: _Pair, turn: Turn, step: int) -> _Action:
    seat = pair.answerer if turn == "answer" else pair.guesser
    knows = turn == "answer" or pair.shown_keyword
    observation = Observation(
        remainingOverageTime=seat.overage,
        step=step,
        questions=list(pair.questions),
        guesses=list(pair.guesses),
        answers=list(pair.answers),
        role="answerer" if turn == "answer" else "guesser",
        turnType=turn,
        keyword=table.keyword.name if knows else "",
        category=table.category if knows else "",
    )
    start = table.clock()
    try:
        said = _call(seat.agent, observation, table.configuration())
    except (Exception, SystemExit) as error:  # whatever an agent raises is the agent's own end
        said = error
    seconds = table.clock() - start
    late = seconds - ACT_SECONDS > seat.overage
    seat.overage -= max(0, round(seconds, 6) - ACT_SECONDS)
    if late:
        return _Action(failure="TIMEOUT")
    if isinstance(said, BaseException):
        return _Action(failure="ERROR")
    if said is None or isinstance(said, str):
        return _Action(said or "")
    try:
        copy.deepcopy(said)
    except Exception as error:
        raise _Uncopyable from error
    return _Action(failure="INVALID")


def _call(agent: Agent, *arguments: Observation) -> Any:
    code = getattr(agent, "__code__", None)
    return agent(*(arguments if code is None else arguments[: code.co_argcount]))


def _hear_guesser(pair: _Pair, action: _Action, turn: Turn) -> bool:
    """Write down a question or guess; return whether there was none."""
    if not action.text:
        pair.guesser.settle(None, action.failure or "ERROR")
        return True
    if turn == "ask":
        pair.questions.append(action.text[:QUESTION_LENGTH])
    else:
        pair.guesses.append(action.text[:GUESS_LENGTH])
    return False


def _hear_answer(pair: _Pair, action: _Action) -> bool:
    """Write down an answer; return whether it was none of yes and no."""
    said = action.text.lower()
    heard = "yes" if "yes" in said else "no" if "no" in said else "maybe" if said else "none"
    pair.answers.append(heard)
    if heard in ("yes", "no"):
        return False
    pair.answerer.settle(None, "ERROR")
    return True


def _end_in_error(pairs: tuple[_Pair, _Pair], actions: Sequence[_Action], named: Sequence[bool]) -> None:
    """Give 1 to all who did not err, and settle the case in which the other guesser named the keyword."""
    for pair, action, rival_named in zip(pairs, actions, reversed(named), strict=True):
        for seat in (pair.guesser, pair.answerer):
            if seat.reward is not None:
                seat.settle(1)
        if rival_named:
            pair.answerer.settle(0)
            if action.failure is None:
                pair.guesser.settle(0)


def _end_in_guess(pairs: tuple[_Pair, _Pair], named: Sequence[bool], score: int) -> None:
    for pair, has_named in zip(pairs, named, strict=True):
        pair.settle(score if has_named else 0)


def _name_in_question(pairs: tuple[_Pair, _Pair], named: Sequence[bool], score: int) -> bool:
    """Settle questions that name the keyword; return whether the engine now fails."""
    for pair, has_named in zip(pairs, named, strict=True):
        pair.settle(score if has_named else 0)
        if has_named:
            pair.shown_keyword = True
            pair.guesser.status, pair.answerer.status = "INACTIVE", "ACTIVE"
    return not all(named)


def _turns_taken(transcript: tuple[Round, ...]) -> int:
    return sum(said is not None for number in transcript for said in (number.question, number.answer, number.guess))
