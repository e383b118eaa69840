"""What a big piece of work will take: seconds, device hours, memory, disk and money, from the pace of a small one.

A plan is a list of stages, done one after the other. A stage is `tasks` independent tasks of together `count` units
(pairs, images, requests), and a device of some kind goes through them at a `Pace`:

    seconds on one device = opening + tasks x per_task + count x per_unit
    seconds on N devices  = opening + ceil(tasks / N) x (per_task + count / tasks x per_unit)

Every figure is an `Amount`: the likely value, a range, and on what it rests. Sums take the weakest basis of their
parts, but for what hardly counts, and add the ends of their ranges: errors of one machine's pace go together, so they
do not cancel.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

__all__ = [
    "ANY",
    "HERE",
    "Amount",
    "Basis",
    "Bill",
    "Pace",
    "Plan",
    "PlannedStage",
    "Sample",
    "amount",
    "bill_of",
    "device_seconds",
    "fitted_pace",
    "given_rate",
    "line",
    "memory_note",
    "multiplied",
    "pace_of_rate",
    "pace_on",
    "scaled",
    "summed",
    "wall_seconds",
]

Basis = Literal["counted", "measured", "given", "estimated"]
"""On what a figure rests, the firmest first: exact by the recipe, measured here, said by the user, or reckoned."""

HERE = "here"
"""The kind of device that the sample was measured on: this machine's own."""

ANY = "any"
"""The pace of a stage that goes as fast whatever the device: on a processor, or behind a server."""

_FIRMNESS = get_args(Basis)
_NEGLIGIBLE = 0.02  # of a sum
_LEAST_WIDTH = 0.05  # of a measured figure, to each side: a few samples agree by chance
_GIB = 2**30


class Amount(NamedTuple):
    """A figure with its range.

    Args:
        likely: the figure.
        low: where it may end below, at most `likely`.
        high: where it may end above, at least `likely`.
        basis: on what it rests.
    """

    likely: float
    low: float
    high: float
    basis: Basis


def amount(likely: float, basis: Basis, *, low: float | None = None, high: float | None = None) -> Amount:
    """Return a figure; without a range it is its own. The range of a measured one is 5 % to each side at least.

    Raises:
        ValueError: if the range does not hold the figure, or any of them is negative or no number.
    """
    made = Amount(likely, likely if low is None else low, likely if high is None else high, basis)
    if not 0 <= made.low <= made.likely <= made.high < math.inf:
        raise ValueError(f"expected 0 <= low <= likely <= high, got {made.low}, {made.likely} and {made.high}")
    if basis != "measured":
        return made
    return made._replace(
        low=min(made.low, (1 - _LEAST_WIDTH) * likely), high=max(made.high, (1 + _LEAST_WIDTH) * likely)
    )


def scaled(one: Amount, factor: float) -> Amount:
    """Return a figure times a factor of at least 0."""
    return Amount(one.likely * factor, one.low * factor, one.high * factor, one.basis)


def multiplied(one: Amount, other: Amount) -> Amount:
    """Return the product of two figures, by the weaker basis of them."""
    basis = max((one.basis, other.basis), key=_FIRMNESS.index)
    return Amount(one.likely * other.likely, one.low * other.low, one.high * other.high, basis)


def summed(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of figures; of none, a counted 0.

    Its basis is the weakest among them, those left out that with all weaker ones come to 2 % of the sum at most, by
    their high ends: a minute that was reckoned does not make an estimate of a day that was measured.
    """
    parts = list(amounts)
    likely = math.fsum(one.likely for one in parts)
    beside, basis = 0.0, _FIRMNESS[0]
    for basis in reversed(_FIRMNESS):
        beside += math.fsum(one.high for one in parts if one.basis == basis)
        if beside > _NEGLIGIBLE * likely:
            break
    return Amount(likely, math.fsum(one.low for one in parts), math.fsum(one.high for one in parts), basis)


class Pace(NamedTuple):
    """How fast one device goes; all in seconds.

    Args:
        per_unit: of each unit.
        per_task: of each task beside its units.
        opening: once on each device, such as reading a model.
    """

    per_unit: Amount
    per_task: Amount = Amount(0.0, 0.0, 0.0, "counted")
    opening: Amount = Amount(0.0, 0.0, 0.0, "counted")


class Sample(NamedTuple):
    """A task that was timed: its units and its seconds."""

    units: float
    seconds: float


def pace_of_rate(rate: float, basis: Basis, *, low: float | None = None, high: float | None = None) -> Pace:
    """Return the pace of so many units a second; `low` and `high` are the range of the rate.

    Raises:
        ValueError: if a rate is not above 0.
    """
    slow, fast = rate if low is None else low, rate if high is None else high
    if not 0 < slow <= rate <= fast < math.inf:
        raise ValueError(f"expected 0 < low <= rate <= high, got {slow}, {rate} and {fast}")
    return Pace(Amount(1 / rate, 1 / fast, 1 / slow, basis))


def given_rate(rates: Mapping[tuple[str, str], float], names: Iterable[str], kind: str) -> float | None:
    """Return the units a second that were given on a kind of device: for the first of some names, else for all.

    Args:
        rates: (name, or "" for all; kind) -> units a second.
        names: what it may be given for, the closest first.
        kind: of device.
    """
    return next((rates[name, kind] for name in (*names, "") if (name, kind) in rates), None)


def line(points: Sequence[tuple[float, float]], *, size: Callable[[float], float] = float) -> tuple[float, float]:
    """Return (fixed, each): the line fixed + each x size(units) of what was measured; neither is negative.

    The line goes through the medians of the smallest and the largest units, so that what does not grow is told apart
    from what does. Where it would begin below 0, or there is one size alone, it goes through 0 and the largest; where
    it would fall, it is flat, at the higher of the two.

    Args:
        points: (units, value) of at least one sample; values of at least 0.
        size: by which the value grows; of units at least 0, and above 0 for the largest.
    """
    by_units: dict[float, list[float]] = {}
    for units, value in points:
        by_units.setdefault(units, []).append(value)
    small, large = min(by_units), max(by_units)
    few, many = statistics.median(by_units[small]), statistics.median(by_units[large])
    if small == large:
        return 0.0, many / size(large)
    each = (many - few) / (size(large) - size(small))
    fixed = few - each * size(small)
    if each <= 0:
        return max(few, many), 0.0
    return (fixed, each) if fixed >= 0 else (0.0, many / size(large))


def fitted_pace(samples: Sequence[Sample], *, opening: Amount | None = None) -> Pace:
    """Return the pace that timed tasks of one or more sizes show.

    Where the larger tasks took no longer than the smaller ones (see `line`), their units take all of the time. The
    range is that of the single tasks of the largest size about the line.

    Args:
        samples: at least one; of two sizes, several each, where there is a part that does not grow.
        opening: once on each device.

    Raises:
        ValueError: without a sample, or if one has no unit or took no time.
    """
    if not samples or not all(one.units > 0 and one.seconds > 0 for one in samples):
        raise ValueError(f"expected samples with units > 0 and seconds > 0, got {list(samples)}")
    large = max(one.units for one in samples)
    seconds = [one.seconds for one in samples if one.units == large]
    middle = statistics.median(seconds)
    beside, each = line(samples)
    if not each:
        beside, each = 0.0, middle / large
    fastest, slowest = min(seconds) / middle, max(seconds) / middle
    return Pace(
        amount(each, "measured", low=each * fastest, high=each * slowest),
        amount(beside, "measured", low=beside * fastest, high=beside * slowest),
        opening or Amount(0.0, 0.0, 0.0, "counted"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        name: unique in its plan.
        count: how many units there are.
        unit: what they are called, in the plural: "pairs", "images", "requests".
        tasks: how many independent tasks they come in, at least 1: what devices can share.
        paces: by kind of device, or `ANY` for all alike; a kind without one is not known.
        memory: bytes of one task at its peak; None where it is not known.
        disk: bytes that stay on disk; None where it is not known.
        tokens_in, tokens_out: read and written by a server; None where no server is asked.
        fee: money that a server takes for them; None where no server is asked, or its price is not known.
        is_rented: whether its hours are paid by the price of a device; not where a server does the work.
        note: how its size was got, or what it rests on; may be empty.
    """

    name: str
    count: Amount
    unit: str
    tasks: int = 1
    paces: Mapping[str, Pace] = field(default_factory=dict)
    memory: Amount | None = None
    disk: Amount | None = None
    tokens_in: Amount | None = None
    tokens_out: Amount | None = None
    fee: Amount | None = None
    is_rented: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if self.tasks < 1:
            raise ValueError(f"expected tasks >= 1, got {self.tasks}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a whole recipe takes.

    Attributes:
        what: the recipe and its size, in a line.
        stages: in order, with distinct names.
        kinds: of devices that it is planned for, at least one; `HERE` is this machine.
        prices: money an hour of a device, by kind; a kind without one costs nothing that is known.
        currency: of all money, such as "$".
        devices: how many at once, beside one.
        notes: where the figures come from, a sentence each.
    """

    what: str
    stages: tuple[PlannedStage, ...]
    kinds: tuple[str, ...]
    prices: Mapping[str, float] = field(default_factory=dict)
    currency: str = "$"
    devices: int = 1
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.kinds or self.devices < 1:
            raise ValueError(f"expected kinds, and devices >= 1, got {self.kinds} and {self.devices}")
        if len({stage.name for stage in self.stages}) < len(self.stages):
            raise ValueError(f"expected distinct names of stages, got {[stage.name for stage in self.stages]}")


class Bill(NamedTuple):
    """What a plan takes on some devices of a kind.

    Attributes:
        kind: of device.
        devices: at once.
        seconds: from begin to end.
        device_seconds: of all devices together that are paid by the hour; those that a stage has no task for are not.
        rent: money for those; None without a price.
        fees: money for servers.
        unknown: the stages that are in none of these figures, for their pace is not known.
    """

    kind: str
    devices: int
    seconds: Amount
    device_seconds: Amount
    rent: Amount | None
    fees: Amount
    unknown: tuple[str, ...]

    @property
    def money(self) -> Amount | None:
        """Rent and fees together; None where neither is known."""
        if self.rent is None:
            return self.fees if self.fees.high else None
        return summed((self.rent, self.fees))


def pace_on(stage: PlannedStage, kind: str) -> Pace | None:
    """Return a stage's pace on a kind of device; None where it is not known."""
    return stage.paces.get(kind, stage.paces.get(ANY))


def wall_seconds(stage: PlannedStage, kind: str, devices: int = 1) -> Amount | None:
    """Return how long a stage takes from begin to end; None where its pace is not known.

    Args:
        stage: the stage.
        kind: of device.
        devices: at once, at least 1; more of them than tasks are idle.
    """
    pace = pace_on(stage, kind)
    if pace is None:
        return None
    if devices < 1:
        raise ValueError(f"expected devices >= 1, got {devices}")
    rounds = math.ceil(stage.tasks / devices)
    work = multiplied(scaled(stage.count, rounds / stage.tasks), pace.per_unit)
    return summed((work, scaled(pace.per_task, rounds), pace.opening))


def device_seconds(stage: PlannedStage, kind: str, devices: int = 1) -> Amount | None:
    """Return the seconds of all devices together, those included in which one waits for the last to end."""
    wall = wall_seconds(stage, kind, devices)
    return None if wall is None else scaled(wall, min(devices, stage.tasks))


def bill_of(plan: Plan, kind: str, devices: int = 1) -> Bill:
    """Return what a plan takes on some devices of a kind.

    Args:
        plan: the plan.
        kind: of device.
        devices: at once, at least 1.
    """
    walls = {stage.name: wall_seconds(stage, kind, devices) for stage in plan.stages}
    used = summed(
        seconds
        for stage in plan.stages
        if stage.is_rented and (seconds := device_seconds(stage, kind, devices)) is not None
    )
    price = plan.prices.get(kind)
    return Bill(
        kind,
        devices,
        summed(wall for wall in walls.values() if wall is not None),
        used,
        None if price is None else scaled(used, price / 3600),
        summed(stage.fee for stage in plan.stages if stage.fee is not None),
        tuple(name for name, wall in walls.items() if wall is None),
    )


def memory_note(of: Mapping[str, Amount]) -> tuple[str, ...]:
    """Return a note that tells what to set aside for tasks on a cluster; none where no memory is known.

    Args:
        of: the memory of a machine, in bytes, that a task takes at its peak, by what the task does.
    """
    told = [f"{math.ceil(2 * memory.high / _GIB) / 2:g} for {what}" for what, memory in of.items()]
    return (f"Set aside for a task of a cluster, in GiB (--task-memory): {', '.join(told)}.",) if told else ()
