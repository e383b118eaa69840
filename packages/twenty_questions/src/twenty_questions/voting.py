"""Models asked in turn, under a deadline.

A voter asks models one after the other in the order that loads least, and counts what it has. Under a deadline it asks
in a thread of its own: a model that cannot finish in time, by what it took before, is not begun; one that is late all
the same, or hangs, or fails, is without a vote. Whatever a question says, all that comes back is yes, no or nothing.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from furikaeri_common.models.pool import ModelPool
from twenty_questions.answerer import Fallback
from twenty_questions.labelling.labeller import Labeller
from twenty_questions.votes import Rule, Vote, VoteConfig, vote_of

__all__ = ["MOST_FAILURES", "Rule", "Vote", "VoteConfig", "Voter", "make_fallback", "vote_of"]

MOST_FAILURES = 3
"""So many in a row, and a model is asked no more."""

_MOST_REMEMBERED = 10_000
_FORGETTING = 0.9


class _Ballot:
    """One question, and the votes that have come in."""

    def __init__(self, keyword: str, question: str, deadline: float) -> None:
        self.keyword, self.question, self.deadline = keyword, question, deadline
        self.over = threading.Event()
        self._given: dict[str, float] = {}
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def give(self, name: str, p_yes: float) -> None:
        with self._lock:
            if not self._is_closed:
                self._given[name] = p_yes

    def close(self) -> dict[str, float]:
        with self._lock:
            self._is_closed = True
            return dict(self._given)

    def values(self) -> list[float]:
        with self._lock:
            return list(self._given.values())


class Voter:
    """Asks models about pairs of keyword and question.

    Args:
        names: of the models, as the pool knows them; at least one, each once.
        open_pool: makes the pool that lends them, once, at the first vote.
        config: how votes are taken.
        clock: seconds.

    Attributes:
        num_votes: how many pairs have been voted on; a pair that is asked about again counts once.
    """

    def __init__(
        self,
        names: Sequence[str],
        open_pool: Callable[[], ModelPool[Labeller]],
        *,
        config: VoteConfig | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not names or len(set(names)) != len(names):
            raise ValueError(f"expected at least one model and each once, got {list(names)}")
        self.names = tuple(names)
        self.config = config or VoteConfig()
        self.failures: dict[str, str] = {}
        self.votes_given = 0
        self._open_pool, self._clock = open_pool, clock
        self._pool: ModelPool[Labeller] | None = None
        self._opening = threading.Lock()
        self._failed_in_a_row: dict[str, int] = {}
        self._seconds_loading: dict[str, float] = {}
        self._seconds_asking: dict[str, float] = {}
        self._remembered: dict[tuple[str, str], Vote] = {}
        self.num_votes = 0
        self._worker: _Worker | None = None

    @property
    def pool(self) -> ModelPool[Labeller]:
        """The pool, which is opened if it is not yet open."""
        with self._opening:
            if self._pool is None:
                self._pool = self._open_pool()
            return self._pool

    def prepare(self) -> None:
        """Open every model once, so that what cannot be opened is told at the beginning.

        Raises:
            FurikaeriError: if one cannot be opened.
        """
        for name in self.pool.order_round(self.names, rounds=self.config.rounds):
            with self.pool.use(name):
                pass

    def vote(self, keyword: str, question: str, *, seconds: float | None = None) -> Vote:
        """Return the vote on a question; never raises for what a model does.

        The same pair gets the same answer again once everybody was asked in time.

        Args:
            keyword: the secret's name.
            question: in any words.
            seconds: until an answer is due, whatever it is; None: as long as it takes.
        """
        known = self._remembered.get((keyword, question))
        if known is not None:
            return known
        deadline = math.inf if seconds is None else self._clock() + seconds
        ballot = _Ballot(keyword, question, deadline)
        if seconds is None:
            self._collect(ballot)
        elif seconds > 0:
            self._free_worker().take(ballot)
            ballot.over.wait(max(0.0, deadline - self._clock()))
        counted = self._count(ballot.close())
        if not counted.missing:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[keyword, question] = counted
            self.num_votes += 1
        return counted

    def close(self) -> None:
        """Let the models go, and end the thread."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None
        if self._pool is not None:
            self._pool.close()

    def _free_worker(self) -> _Worker:
        """Return a thread that has nothing to do; one that is still at an earlier question ends with that."""
        if self._worker is not None and self._worker.is_busy:
            self._worker.end()
            self._worker = None
        if self._worker is None:
            self._worker = _Worker(self._collect)
        return self._worker

    def _collect(self, ballot: _Ballot) -> None:
        """Ask the models until all have voted, the vote is decided, or time is up."""
        try:
            pool = self.pool
            usable = [name for name in self.names if self._is_usable(pool, name)]
            busy = pool.in_use
            order = [name for name in pool.order_round(usable, rounds=self.config.rounds) if name not in busy]
        except Exception as error:
            self.failures["the models"] = _told(error)
            return
        for position, name in enumerate(order):
            left = ballot.deadline - self._clock()
            if ballot.is_closed or left <= 0 or self._is_decided(ballot, len(order) - position):
                return
            if self._expected(pool, name) > left:
                # What was slow once, loading from a cold disk perhaps, gets its chance again.
                for seconds in (self._seconds_loading, self._seconds_asking):
                    seconds[name] = seconds.get(name, 0.0) * _FORGETTING
                continue
            try:
                p_yes = self._ask(pool, name, ballot, left)
            except Exception as error:  # of somebody's model, on somebody's device: whatever it is, it has no vote
                self._note_failure(name, error)
            else:
                self._failed_in_a_row[name] = 0
                if not math.isnan(p_yes):
                    self.votes_given += 1
                ballot.give(name, p_yes)

    def _is_usable(self, pool: ModelPool[Labeller], name: str) -> bool:
        if self._failed_in_a_row.get(name, 0) >= MOST_FAILURES:
            return False
        try:
            pool.size_of(name)
        except Exception as error:  # its files are damaged or gone
            self._note_failure(name, error)
            return False
        return True

    def _note_failure(self, name: str, error: Exception) -> None:
        self.failures[name] = _told(error)
        self._failed_in_a_row[name] = self._failed_in_a_row.get(name, 0) + 1

    def _ask(self, pool: ModelPool[Labeller], name: str, ballot: _Ballot, left: float) -> float:
        start = self._clock()
        with pool.use(name, wait=0.0 if math.isinf(left) else left / 2) as lease:
            ready = self._clock()
            if lease.loaded:
                self._seconds_loading[name] = ready - start
            if ballot.is_closed:
                return math.nan
            p_yes = float(lease.value.label([ballot.keyword], [ballot.question])[0, 0])
            self._seconds_asking[name] = self._clock() - ready
        if not (math.isnan(p_yes) or 0 <= p_yes <= 1):
            raise ValueError(f"expected P(yes) in [0, 1], got {p_yes}")
        return p_yes

    def _expected(self, pool: ModelPool[Labeller], name: str) -> float:
        loading = 0.0 if name in pool.resident else self._seconds_loading.get(name, 0.0)
        return loading + self._seconds_asking.get(name, 0.0)

    def _is_decided(self, ballot: _Ballot, to_come: int) -> bool:
        if not self.config.stop_when_decided or self.config.rule != "majority":
            return False
        given = [p for p in ballot.values() if not math.isnan(p)]
        return abs(sum(1 if p > self.config.threshold else -1 for p in given)) > to_come

    def _count(self, given: Mapping[str, float]) -> Vote:
        # In the order of the names, for a sum of floats depends on it.
        voted = {name: given[name] for name in self.names if not math.isnan(given.get(name, math.nan))}
        values = list(voted.values())
        answer = vote_of(values, rule=self.config.rule, threshold=self.config.threshold)
        missing = tuple(name for name in self.names if name not in voted)
        balance = sum(1 if p > self.config.threshold else -1 for p in values)
        if self.config.stop_when_decided and self.config.rule == "majority" and abs(balance) > len(missing):
            missing = ()
        return Vote(answer, math.fsum(values) / len(values) if values else math.nan, voted, missing)


class _Worker:
    """A thread that takes one ballot after the other."""

    def __init__(self, collect: Callable[[_Ballot], None]) -> None:
        self._collect = collect
        self._ballots: queue.SimpleQueue[_Ballot | None] = queue.SimpleQueue()
        self._open = 0
        threading.Thread(target=self._work, name="votes", daemon=True).start()

    @property
    def is_busy(self) -> bool:
        return self._open > 0

    def take(self, ballot: _Ballot) -> None:
        self._open += 1
        self._ballots.put(ballot)

    def end(self) -> None:
        self._ballots.put(None)

    def _work(self) -> None:
        while (ballot := self._ballots.get()) is not None:
            try:
                self._collect(ballot)
            finally:
                self._open -= 1
                ballot.over.set()


def make_fallback(voter: Voter, seconds_left: Callable[[], float | None] = lambda: None) -> Fallback:
    """Return what an answerer asks when it knows no better: the vote, as yes, no, or None.

    Args:
        voter: asks the models.
        seconds_left: how long it may take, asked at each question; None: as long as it takes.
    """

    def fallback(question: str, keyword: str) -> bool | None:
        return voter.vote(keyword, question, seconds=seconds_left()).answer

    return fallback


def _told(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
