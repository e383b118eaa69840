"""Models held in memory up to a budget (io): loaded when used, evicted when another needs the room, freed for certain.

What is held is anything that an opener makes. It is lent for a `with` block and taken back at its end, so that the pool
holds the only reference; after an eviction the pool proves by weak references that the object is gone, and gives the
freed memory back to the device and to the operating system.

A pool is made for one user at a time. Several threads may use it: they are served one model each, and one that needs
room which only models in use could give waits as long as it says.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.budget import free_memory
from furikaeri_common.models.rotation import plan

__all__ = ["Lease", "ModelPool", "Opened", "PoolCounts"]

T = TypeVar("T")


class Opened(NamedTuple, Generic[T]):
    """What an opener returns.

    Attributes:
        value: what is lent.
        num_bytes: memory that it takes, as measured.
        watched: what must be gone after an eviction, such as torch modules; each can be referenced weakly.
        close: called before it is let go.
    """

    value: T
    num_bytes: int
    watched: tuple[object, ...] = ()
    close: Callable[[], object] = lambda: None


class PoolCounts(NamedTuple):
    """What a pool has done so far.

    Attributes:
        loads: models opened.
        evictions: models let go.
        bytes_loaded: of the opened models together.
        seconds_loading: spent in the opener.
    """

    loads: int = 0
    evictions: int = 0
    bytes_loaded: int = 0
    seconds_loading: float = 0.0


class Lease(Generic[T]):
    """A model that is lent; `value` is it, until the block ends.

    Attributes:
        loaded: whether it was loaded for this use.
    """

    def __init__(self, value: T, *, loaded: bool) -> None:
        self._held: list[T] = [value]
        self.loaded = loaded

    @property
    def value(self) -> T:
        """The model.

        Raises:
            RuntimeError: after the block.
        """
        if not self._held:
            raise RuntimeError("expected a model within its `with` block, got one that was given back")
        return self._held[0]

    def end(self) -> None:
        """Take it back."""
        self._held.clear()


@dataclass(slots=True)
class _Held(Generic[T]):
    """A model of the pool: lent out, being loaded (`opened` is None), or idle."""

    num_bytes: int
    opened: Opened[T] | None = None
    is_used: bool = True
    last_use: int = 0


@dataclass(slots=True)
class _Wishes:
    """What a plan asks of evictions: `names` take part, `kept` stay, `unused` have not had their turn."""

    names: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    unused: set[str] = field(default_factory=set)

    def value_of(self, name: str) -> int:
        return 0 if name not in self.names else 3 if name in self.kept else 2 if name in self.unused else 1


class ModelPool(Generic[T]):
    """Holds models by name.

    Args:
        budget: bytes that they may take together, above 0.
        opener: opens the model of a name; what it raises reaches the user of that model.
        predict: bytes that a model will take, asked before it is first loaded; then its measured size counts.
        clock: seconds.
    """

    def __init__(
        self,
        budget: int,
        opener: Callable[[str], Opened[T]],
        *,
        predict: Callable[[str], int] = lambda name: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget <= 0:
            raise ValueError(f"expected a budget above 0 bytes, got {budget}")
        self.budget = budget
        self.counts = PoolCounts()
        self._opener, self._predict, self._clock = opener, predict, clock
        self._held: dict[str, _Held[T]] = {}
        self._measured: dict[str, int] = {}
        self._leaked: dict[str, tuple[int, tuple[weakref.ref[object], ...]]] = {}
        self._wishes = _Wishes()
        self._uses = 0
        self._changed = threading.Condition(threading.RLock())

    @property
    def resident(self) -> tuple[str, ...]:
        """The names of the models that are loaded, the least recently used first."""
        with self._changed:
            ready = [name for name, held in self._held.items() if held.opened is not None]
            return tuple(sorted(ready, key=lambda name: self._held[name].last_use))

    @property
    def in_use(self) -> frozenset[str]:
        """The names of the models that are lent or being loaded."""
        with self._changed:
            return frozenset(name for name, held in self._held.items() if held.is_used)

    def size_of(self, name: str) -> int:
        """Return the bytes that a model takes: as measured once it was loaded, before that as predicted."""
        measured = self._measured.get(name)
        return int(self._predict(name)) if measured is None else measured

    @contextlib.contextmanager
    def use(self, name: str, *, wait: float = 0.0) -> Iterator[Lease[T]]:
        """Lend a model, loading it if need be and evicting others if there is no room.

        Args:
            name: as the opener knows it.
            wait: seconds to wait for models that another thread uses: for this one, or for their room.

        Raises:
            InputError: if the model alone exceeds the budget.
            WorkError: if the wait was in vain, or an evicted model is still referenced.
        """
        loaded = self._acquire(name, wait)
        try:
            if loaded:
                self._load(name)
            opened = self._held[name].opened
            assert opened is not None
            lease = Lease(opened.value, loaded=loaded)
            del opened
            try:
                yield lease
            finally:
                lease.end()
        finally:
            self._release(name)

    def order_round(self, names: Sequence[str], *, rounds: int = 20) -> tuple[str, ...]:
        """Return the order in which models are to be used in the coming round, and evict in its favour.

        Args:
            names: each model once; those that exceed what room there is come last.
            rounds: how many such rounds are to come, this one included, at least 1.
        """
        with self._changed:
            # What another thread uses cannot move.
            fixed = {name: self._held[name].num_bytes for name in self.in_use}
            room = self.budget - sum(fixed.values()) - self._leaked_bytes()
            sizes = {name: self.size_of(name) for name in dict.fromkeys(names)}
            planned = [name for name in sizes if name not in fixed and sizes[name] <= room]
            loaded: list[int] = []
            for name in reversed(self.resident):
                if name in planned and sum(sizes[planned[row]] for row in loaded) + sizes[name] <= room:
                    loaded.append(planned.index(name))
            if not planned:
                self._wishes = _Wishes()
                return tuple(sizes)
            done = plan([sizes[name] for name in planned], room, resident=loaded, rounds=rounds).rounds[0]
            order = [planned[row] for row in done.order]
            self._wishes = _Wishes(frozenset(planned), frozenset(planned[row] for row in done.kept), set(planned))
            return (*order, *(name for name in sizes if name not in planned))

    def evict(self, name: str) -> None:
        """Let a model go, if it is loaded.

        Raises:
            WorkError: if it is in use, or still referenced by somebody else.
        """
        with self._changed:
            if name in self._held:
                if self._held[name].is_used:
                    raise WorkError(f"the model {name} is in use and cannot be evicted")
                self._let_go(name)

    def close(self) -> None:
        """Let every model go that is not in use.

        Raises:
            WorkError: if one is still referenced by somebody else.
        """
        for name in self.resident:
            if name not in self.in_use:
                self.evict(name)

    def _acquire(self, name: str, wait: float) -> bool:
        """Mark a model as used, once it is idle or there is room for it; return whether it must be loaded."""
        end = self._clock() + wait
        size = self.size_of(name)
        if size > self.budget:
            raise self._too_large(name, size)
        with self._changed:
            while True:
                held = self._held.get(name)
                if held is not None and not held.is_used:
                    self._mark(name, held)
                    return False
                if held is None and self._make_room(size):
                    self._mark(name, _Held(size))
                    return True
                left = end - self._clock()
                if left <= 0 or not self._changed.wait(left):
                    busy = ", ".join(sorted(self.in_use)) or "what was not freed"
                    raise WorkError(f"there is no room for the model {name} beside {busy}")

    def _mark(self, name: str, held: _Held[T]) -> None:
        self._uses += 1
        held.is_used, held.last_use = True, self._uses
        self._held[name] = held
        self._wishes.unused.discard(name)

    def _load(self, name: str) -> None:
        start = self._clock()
        opened = self._opener(name)
        seconds = self._clock() - start
        with self._changed:
            size = self._measured[name] = opened.num_bytes
            held = self._held[name]
            held.opened, held.num_bytes = opened, size
            del opened, held  # an error below would keep them alive
            loads, evictions, loaded, spent = self.counts
            self.counts = PoolCounts(loads + 1, evictions, loaded + size, spent + seconds)
            if size > self.budget:
                raise self._too_large(name, size)
            # It may have turned out larger than predicted.
            if not self._make_room(0):
                raise WorkError(f"the model {name} turned out to take {_gib(size)}, for which there is no room now")

    def _release(self, name: str) -> None:
        with self._changed:
            held = self._held[name]
            held.is_used = False
            try:
                if held.opened is None:
                    del self._held[name]
                elif self._taken() > self.budget:
                    self._let_go(name)
            finally:
                self._changed.notify_all()

    def _make_room(self, size: int) -> bool:
        """Evict the least useful idle models until so many bytes are free; return whether that could be done."""
        idle = [name for name, held in self._held.items() if not held.is_used]
        if self._taken() - sum(self._held[name].num_bytes for name in idle) + size > self.budget:
            return False
        for name in sorted(idle, key=lambda name: (self._wishes.value_of(name), self._held[name].last_use)):
            if self._taken() + size <= self.budget:
                break
            self._let_go(name)
        return True

    def _taken(self) -> int:
        return sum(held.num_bytes for held in self._held.values()) + self._leaked_bytes()

    def _leaked_bytes(self) -> int:
        """Return the bytes of evicted models that somebody still holds."""
        for name, (_, references) in list(self._leaked.items()):
            if all(reference() is None for reference in references):
                del self._leaked[name]
        return sum(num_bytes for num_bytes, _ in self._leaked.values())

    def _let_go(self, name: str) -> None:
        held = self._held.pop(name)
        opened, held.opened = held.opened, None
        assert opened is not None
        references = tuple(weakref.ref(part) for part in opened.watched)
        num_bytes = opened.num_bytes
        self.counts = self.counts._replace(evictions=self.counts.evictions + 1)
        try:
            opened.close()
        finally:
            del opened
            free_memory(collect=not references or any(reference() is not None for reference in references))
            if any(reference() is not None for reference in references):
                self._leaked[name] = (num_bytes, references)
        if name in self._leaked:
            raise WorkError(
                f"the model {name} was evicted, but its {_gib(num_bytes)} are still referenced",
                fix="Keep no reference to a model after its `with` block",
            )

    def _too_large(self, name: str, size: int) -> InputError:
        return InputError(
            f"the model {name} takes {_gib(size)}, and all models together may take {_gib(self.budget)}",
            fix="Use a smaller model, quantised weights (--weights 4bit), or a device with more memory",
        )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.2f} GiB"
