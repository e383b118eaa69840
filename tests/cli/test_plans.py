"""How plans are asked for and shown."""

from __future__ import annotations

import io
import json
import re

import pytest

from furikaeri_cli.output import Output
from furikaeri_cli.plan_bill import bytes_text, money_text, number_text, show_plan, time_text
from furikaeri_cli.plans import named_kinds, read_prices, read_throughputs
from furikaeri_common.errors import InputError
from furikaeri_common.planning import ANY, HERE, Pace, Plan, PlannedStage, amount, pace_of_rate

LONG = "labels: a-model-with-a-name-that-is-longer-than-the-line"


def plan(*kinds: str, devices: int = 1) -> Plan:
    labels = PlannedStage(
        name=LONG,
        count=amount(36e6, "counted"),
        unit="pairs",
        tasks=100,
        paces={HERE: pace_of_rate(100, "measured", low=50, high=200), "a100": pace_of_rate(1000, "given")},
        memory=amount(5e9, "estimated"),
        disk=amount(1.5e8, "measured"),
    )
    asked = PlannedStage(
        name="words",
        count=amount(200, "counted"),
        unit="texts",
        tokens_in=amount(2e6, "estimated"),
        tokens_out=amount(4000, "estimated"),
        is_rented=False,
        note="of a server",
    )
    table = PlannedStage(name="table", count=amount(9, "counted"), unit="pairs", paces={ANY: Pace(amount(4, "given"))})
    return Plan(
        what="mine: 36 M pairs",
        stages=(asked, labels, table),
        kinds=kinds,
        prices={"a100": 2.0},
        devices=devices,
        notes=("where it comes from",),
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, shown: Plan, *, columns: int) -> str:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    show_plan(Output("human"), shown)
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())


def test_prices_and_rates_are_read() -> None:
    assert read_prices(["a100=1.89", "here=0"]) == {"a100": 1.89, "here": 0.0}
    rates = read_throughputs(["a100=450", "org/one@a100=300"], ["org/one"])
    assert rates == {("", "a100"): 450, ("org/one", "a100"): 300}


@pytest.mark.parametrize("wrong", ["a100", "=3", "a100=cheap", "a100=-1", "a100=nan", "a100=inf"])
def test_a_price_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match="--price"):
        read_prices([wrong])


@pytest.mark.parametrize("wrong", ["a100", "a100=0", "nobody@a100=3", "@a100=3", "one@=3"])
def test_a_throughput_that_is_none_is_named(wrong: str) -> None:
    with pytest.raises(InputError, match="--throughput"):
        read_throughputs([wrong], ["one"])


def test_what_is_said_twice_is_refused() -> None:
    with pytest.raises(InputError, match="a price already"):
        read_prices(["a100=1", "a100=2"])
    with pytest.raises(InputError, match="a rate already"):
        read_throughputs(["a100=1", "a100=2"], [])


def test_kinds_are_those_that_options_name_each_once() -> None:
    assert named_kinds(None, {}, {}, is_measured=True) == ()
    rates, prices = {("", "mine"): 5.0, ("one", "t4"): 2.0}, {"a100": 1.0, HERE: 0.1, "t4": 0.5}
    assert named_kinds(["l4", "a100"], rates, prices, is_measured=True) == ("l4", "a100", "mine", "t4", HERE)
    assert named_kinds([HERE], {("", HERE): 5.0}, {}, is_measured=False) == (HERE,)


@pytest.mark.parametrize("option", ["kind", "price"])
def test_a_kind_that_is_none_is_refused(option: str) -> None:
    def named(kind: str) -> tuple[str, ...]:
        kinds, prices = ([kind], {}) if option == "kind" else ([], {kind: 1.0})
        return named_kinds(kinds, {}, prices, is_measured=False)

    with pytest.raises(InputError, match="'a1000' is known") as refused:
        named("a1000")
    assert "Did you mean a100" in refused.value.fix
    with pytest.raises(InputError, match="nothing is measured here"):
        named(HERE)


def test_a_pipe_gets_a_row_a_stage_and_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(Output("human"), plan(HERE, "a100", devices=8))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "stage\twork\there\t1 a100\tmemory\tdisk"
    assert lines[3] == f"{LONG}\t36 M pairs\t100 h m\t10 h g\t5 GB e\t150 MB m"
    assert lines[5] == "all\t\t100 h m\t10 h g\t5 GB e\t150 MB m"
    # 100 tasks on 8 devices are 13 rounds of 1 h here, of 6 min there.
    assert lines[6].startswith("here: 100 h (50 to 200 h); on 8 such machines: 13 h (6.51 to 26 h); without words")
    assert lines[7].startswith(
        "on 1 a100: 10 h, 20.02 $; on 8: 78.6 min, 20.82 $; without words, whose time is not known"
    )
    assert "words: 2 M tokens read, 4,000 written, at a price that is not known" in lines
    assert "words: of a server" in lines
    assert lines[-2:] == ["where it comes from", "m: measured here; g: given; e: estimated"]


def test_json_tells_stages_and_bills(capsys: pytest.CaptureFixture[str]) -> None:
    show_plan(Output("json"), plan("a100", devices=2))
    told = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in told["stages"]] == ["words", LONG, "table"]
    assert told["stages"][1]["seconds"]["a100"]["likely"] == 36000
    assert told["stages"][0]["seconds"]["a100"] is None
    assert [bill["devices"] for bill in told["bills"]] == [1, 2]
    assert told["bills"][0]["money"]["likely"] == pytest.approx(2.0 * 36036 / 3600)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_stage_is_one_line_of_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    text = drawn(monkeypatch, plan(HERE, "a100"), columns=columns)
    lines = text.splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert sum(line.lstrip().startswith("labels: ") for line in lines) == text.count("stage  ")
    assert "100 h m" in text
    assert "10 h g" in text


def test_kinds_without_room_come_in_another_table(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = (HERE, "a100", "a-kind-with-a-long-name", "another-long-name")
    text = drawn(monkeypatch, plan(*kinds), columns=60)
    assert text.count("labels: ") >= 2
    assert all(kind in text for kind in kinds)


def test_figures_are_told_in_the_unit_that_suits_them() -> None:
    assert [time_text(seconds) for seconds in (0.123, 99, 100, 5400, 3.6e6, 8.64e8)] == [
        "0.123 s", "99 s", "1.67 min", "1.5 h", "1,000 h", "10,000 days",
    ]  # fmt: skip
    assert [bytes_text(size) for size in (12, 1500, 2e9, 3e15)] == ["12 B", "1.5 kB", "2 GB", "3,000 TB"]
    assert [number_text(count) for count in (9999, 12345, 32e6, 1.6e9)] == ["9,999", "12.3 k", "32 M", "1.6 G"]
    assert [money_text(money, "$") for money in (0.5, 1234.5)] == ["0.50 $", "1,234 $"]
