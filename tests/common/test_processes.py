"""Which process it was, and whether it still is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from furikaeri_common.processes import identity_from, is_alive, is_running, this_process


def test_this_process_is_alive_and_nobody_else_of_its_number() -> None:
    ours = this_process()
    assert ours.pid == os.getpid()
    assert is_alive(ours) is True
    assert is_alive(ours._replace(started="the last ice age")) is False


def test_a_process_of_another_machine_cannot_be_asked() -> None:
    assert is_alive(this_process()._replace(host="elsewhere.invalid")) is None


def test_an_ended_process_is_not_running_even_before_its_parent_knows() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert is_running(child.pid)
        assert child.stdout is not None
        child.communicate(b"\n")
        assert not is_running(child.pid)
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as zombie:
        assert zombie.stdout is not None
        zombie.stdout.read()
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(zombie.pid)


def test_an_identity_comes_back_from_json() -> None:
    assert identity_from(this_process()._asdict()) == this_process()


@pytest.mark.parametrize("document", [None, 3, [], {}, {"pid": "1", "host": "a", "started": "b"}, {"pid": 1}])
def test_what_is_no_identity_is_none(document: object) -> None:
    assert identity_from(document) is None
