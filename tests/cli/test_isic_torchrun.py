"""Signals under `torchrun`: as they were after a success, out of the way after a failure."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from furikaeri_cli.isic.torchrun import with_one_voice

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture(autouse=True)
def _one_of_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.setenv("WORLD_SIZE", "2")
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_success_leaves_signals_as_they_were() -> None:
    signal.signal(signal.SIGTERM, print)
    before = [signal.getsignal(number) for number in SIGNALS]
    with with_one_voice():
        assert signal.getsignal(signal.SIGTERM) is not print
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_failure_lets_no_other_signal_speak() -> None:
    with pytest.raises(ValueError, match="of the work"), with_one_voice():
        raise ValueError("of the work")
    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_IGN] * 2
