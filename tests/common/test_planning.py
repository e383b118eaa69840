"""Plans: figures by hand, and what holds for all of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from furikaeri_common.gpu_kinds import GPU_KINDS, reckoned_note, reckoned_seconds, unfit_notes
from furikaeri_common.planning import (
    ANY,
    HERE,
    Amount,
    Pace,
    Plan,
    PlannedStage,
    Sample,
    amount,
    bill_of,
    device_seconds,
    fitted_pace,
    given_rate,
    line,
    memory_note,
    multiplied,
    pace_of_rate,
    scaled,
    summed,
    wall_seconds,
)

NO = amount(0, "counted")
SECONDS = st.floats(0, 1e4)


@st.composite
def amounts(draw: st.DrawFn) -> Amount:
    low, likely, high = sorted(draw(st.tuples(SECONDS, SECONDS, SECONDS)))
    return Amount(likely, low, high, draw(st.sampled_from(["counted", "measured", "given", "estimated"])))


@st.composite
def stages(draw: st.DrawFn, name: str = "stage") -> PlannedStage:
    pace = Pace(draw(amounts()), draw(amounts()), draw(amounts()))
    tasks = draw(st.integers(1, 50))
    return PlannedStage(name=name, count=draw(amounts()), unit="pairs", tasks=tasks, paces={HERE: pace})


def stage(**changes: object) -> PlannedStage:
    pace = Pace(amount(0.5, "measured"), amount(2, "measured"), amount(10, "measured"))
    held = {"name": "labels", "count": amount(100, "counted"), "unit": "pairs", "tasks": 10, "paces": {HERE: pace}}
    return PlannedStage(**{**held, **changes})  # type: ignore[arg-type]


def test_seconds_are_those_computed_by_hand() -> None:
    # 10 to open, 10 tasks of 2, 100 units of 1/2; 5 % to each side.
    assert wall_seconds(stage(), HERE) == pytest.approx((80, 76, 84, "measured"))
    # Of 10 tasks on 4 devices one device has 3: 10 + 3 x 2 + 30 x 1/2.
    assert wall_seconds(stage(), HERE, 4) == pytest.approx(amount(31, "measured"))
    assert device_seconds(stage(), HERE, 4) == pytest.approx(amount(124, "measured"))
    # Two of twelve devices have nothing to do.
    assert wall_seconds(stage(), HERE, 12) == pytest.approx(amount(17, "measured"))
    assert device_seconds(stage(), HERE, 12) == pytest.approx(amount(170, "measured"))
    assert wall_seconds(stage(), "a100") is None


def test_a_bill_adds_what_is_known_and_names_the_rest() -> None:
    plan = Plan(
        what="two stages",
        stages=(
            stage(),
            stage(name="table", tasks=1, paces={ANY: Pace(amount(0.1, "estimated"))}),
            stage(name="asked", paces={}, fee=amount(2.5, "estimated"), is_rented=False),
        ),
        kinds=(HERE,),
        prices={HERE: 36.0},
    )
    bill = bill_of(plan, HERE, 2)
    # 10 + 5 x 2 + 50 x 1/2 on each of two devices, give or take 5 %, then 10 on one.
    assert bill.seconds == pytest.approx((55, 55 - 2.25, 55 + 2.25, "estimated"))
    assert bill.device_seconds == pytest.approx((100, 95.5, 104.5, "estimated"))
    assert bill.rent == pytest.approx((1.0, 0.955, 1.045, "estimated"))
    assert bill.money == pytest.approx((3.5, 3.455, 3.545, "estimated"))
    assert bill.unknown == ("asked",)
    assert bill_of(plan, "a100").money == amount(2.5, "estimated")


def test_a_server_that_is_waited_for_costs_no_rent() -> None:
    waited = stage(is_rented=False, paces={ANY: Pace(amount(36, "given"))})
    bill = bill_of(Plan(what="", stages=(waited,), kinds=("t4",), prices={"t4": 1.0}), "t4")
    assert bill.seconds.likely == 3600
    assert bill.rent == NO


@given(stages(), st.integers(1, 20))
def test_seconds_grow_with_the_work(one: PlannedStage, factor: int) -> None:
    pace = one.paces[HERE]
    bigger = stage(count=scaled(one.count, factor), tasks=one.tasks * factor, paces=one.paces)
    small, large = wall_seconds(one, HERE), wall_seconds(bigger, HERE)
    assert small is not None and large is not None  # noqa: PT018
    for little, much, opening in zip(small[:3], large[:3], pace.opening[:3], strict=True):
        assert math.isclose(much - opening, factor * (little - opening), rel_tol=1e-6, abs_tol=1e-6)


@given(stages("one"), stages("other"), st.integers(1, 9), st.floats(0, 100))
def test_money_of_stages_adds_up(one: PlannedStage, other: PlannedStage, devices: int, price: float) -> None:
    def rent(*of: PlannedStage) -> Amount:
        rented = bill_of(Plan(what="", stages=of, kinds=(HERE,), prices={HERE: price}), HERE, devices).rent
        assert rented is not None
        return rented

    together, apart = rent(one, other), summed((rent(one), rent(other)))
    assert all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for a, b in zip(together[:3], apart[:3], strict=True))


@given(stages(), st.integers(1, 60))
def test_more_devices_are_no_slower_and_no_cheaper(one: PlannedStage, devices: int) -> None:
    alone, wall, used = (wall_seconds(one, HERE), wall_seconds(one, HERE, devices), device_seconds(one, HERE, devices))
    assert alone is not None and wall is not None and used is not None  # noqa: PT018
    for first, shared, paid in zip(alone[:3], wall[:3], used[:3], strict=True):
        assert shared <= first * (1 + 1e-9)
        assert paid >= first * (1 - 1e-9)
    assert wall.low <= wall.likely <= wall.high


@given(st.floats(0.01, 100), st.floats(0, 100), st.floats(1, 50), st.floats(2, 50))
def test_a_line_is_found_from_two_sizes(each: float, beside: float, small: float, times: float) -> None:
    sizes = (small, small * times)
    pace = fitted_pace([Sample(size, beside + each * size) for size in sizes for _ in range(3)])
    assert math.isclose(pace.per_unit.likely, each, rel_tol=1e-6)
    assert math.isclose(pace.per_task.likely, beside, rel_tol=1e-6, abs_tol=1e-6 * each * small)


def test_the_range_is_that_of_the_large_samples() -> None:
    pace = fitted_pace([Sample(10, 5), Sample(10, 5), Sample(40, 16), Sample(40, 20), Sample(40, 30)])
    assert pace.per_unit == pytest.approx((0.5, 0.4, 0.75, "measured"))
    assert pace.per_task.likely == 0.0
    # One of them has no range of its own, and is not exact for that.
    assert fitted_pace([Sample(40, 20)]).per_unit == pytest.approx((0.5, 0.475, 0.525, "measured"))


@given(st.floats(0.01, 100), st.floats(0, 100), st.integers(2, 10_000), st.integers(2, 50))
def test_a_line_is_found_by_any_measure_of_size(each: float, fixed: float, small: int, times: int) -> None:
    def size(number: float) -> float:
        return number * math.log2(number)

    points = [(units, fixed + each * size(units)) for units in (small, small * times)]
    assert line(points, size=size) == pytest.approx((fixed, each), rel=1e-6, abs=1e-6 * each * size(small))


def test_a_line_goes_through_medians_and_is_never_negative() -> None:
    assert line([(2, 5), (2, 7), (2, 90), (6, 15), (4, 1000)]) == pytest.approx((3, 2))
    assert line([(4, 12)]) == (0, 3)
    assert line([(1, 1), (4, 12)]) == (0, 3), "it would begin below 0"
    assert line([(1, 20), (4, 12)]) == (20, 0), "it would fall"


def test_a_rate_is_that_of_the_closest_name() -> None:
    rates = {("one", "a100"): 300.0, ("", "a100"): 450.0, ("backbone", "t4"): 20.0}
    assert given_rate(rates, ("one", "backbone"), "a100") == 300
    assert given_rate(rates, ("other",), "a100") == 450
    assert given_rate(rates, ("one", "backbone"), "t4") == 20
    assert given_rate(rates, ("one",), "t4") is None


@pytest.mark.parametrize("samples", [[(1, 5), (4, 12)], [(1, 1), (4, 12)], [(1, 20), (4, 12)], [(4, 12)]])
def test_no_sample_makes_a_pace_negative(samples: list[tuple[float, float]]) -> None:
    pace = fitted_pace([Sample(*one) for one in samples])
    assert pace.per_unit.likely > 0
    assert pace.per_task.likely >= 0
    assert pace.per_task.likely + 4 * pace.per_unit.likely == pytest.approx(12)


def test_a_rate_is_turned_over_with_its_range() -> None:
    assert pace_of_rate(4, "given", low=2, high=8).per_unit == (0.25, 0.125, 0.5, "given")


def test_sums_and_products_rest_on_the_weakest_figure() -> None:
    assert summed([]) == NO
    assert summed([amount(1, "counted"), amount(2, "given", low=1, high=4)]) == (3, 2, 5, "given")
    assert multiplied(NO, amount(2, "estimated")) == (0, 0, 0, "estimated")
    assert multiplied(amount(3, "measured", low=2, high=4), amount(10, "estimated")) == (30, 20, 40, "estimated")


def test_what_hardly_counts_does_not_weaken_a_sum() -> None:
    day, minutes = amount(86400, "given"), amount(600, "estimated", high=1700)
    assert summed([day, minutes]).basis == "given"
    assert summed([day, minutes])[:3] == (87000, 87000, 88100), "it is in the sum all the same"
    assert summed([day, minutes._replace(high=1800)]).basis == "estimated", "its high end counts"
    # Alone each would be little; together they are not, and the firmer of the two is what the sum rests on.
    more = amount(1000, "measured", high=1300)
    assert summed([amount(86400, "counted"), more, amount(900, "estimated")]).basis == "measured"
    assert summed([amount(86400, "counted"), more]).basis == "counted"
    assert summed([amount(0, "estimated"), amount(0, "given")]).basis == "counted"


@given(st.lists(amounts(), max_size=6))
def test_the_basis_of_a_sum_is_the_weakest_that_counts(parts: list[Amount]) -> None:
    total, order = summed(parts), ["counted", "measured", "given", "estimated"]

    def high(bases: list[str]) -> float:
        return math.fsum(one.high for one in parts if one.basis in bases)

    weaker = order[order.index(total.basis) + 1 :]
    assert high(weaker) <= 0.02 * total.likely
    assert total.basis == "counted" or high([total.basis, *weaker]) > 0.02 * total.likely


def test_what_to_set_aside_is_told_in_halves_of_a_gib() -> None:
    held = {"labels": amount(2**30, "estimated", high=1.1 * 2**30), "texts": amount(2**31, "estimated")}
    told = "Set aside for a task of a cluster, in GiB (--task-memory): 1.5 for labels, 2 for texts."
    assert memory_note(held) == (told,)
    assert memory_note({}) == ()


def test_gpus_that_are_reckoned_or_too_small_are_named() -> None:
    assert "reckoned: t4, l4 by peak figures, at 30% of them (15% to 50%)" in reckoned_note(["t4", "l4"], "pairs")
    held = {"small": 3e9, "one": 17e9, "two": 25e9}
    assert unfit_notes(held, [HERE, "t4", "l4", "mine", "h100"], "do less") == [
        "too large: one (17 GB), two (25 GB) may not fit the 16 GB of t4; do less",
        "too large: two (25 GB) may not fit the 24 GB of l4; do less",
    ]


def test_what_is_no_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="low <= likely"):
        amount(1, "given", low=2)
    with pytest.raises(ValueError, match="rate"):
        pace_of_rate(0, "given")
    with pytest.raises(ValueError, match="samples"):
        fitted_pace([])
    with pytest.raises(ValueError, match="tasks >= 1"):
        stage(tasks=0)
    with pytest.raises(ValueError, match="distinct names"):
        Plan(what="", stages=(stage(), stage()), kinds=(HERE,))


def test_a_gpu_takes_the_longer_of_computing_and_reading() -> None:
    kind = GPU_KINDS["a100"]
    computing = reckoned_seconds(kind, flops=312e12)
    assert computing == pytest.approx((1 / 0.3, 1 / 0.5, 1 / 0.15, "estimated"))
    assert reckoned_seconds(kind, flops=312e12, read=1555e9 / 2) == computing
    assert reckoned_seconds(kind, flops=1, read=2 * 1555e9).likely == pytest.approx(2 / 0.3)
