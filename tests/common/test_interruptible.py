"""Waiting that Ctrl-C ends."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading

import pytest

from furikaeri_common.interruptible import next_from

WAITS = """
import queue, signal, sys
import polars as pl
from furikaeri_common.interruptible import next_from
pl.DataFrame({"a": [2, 1]}).lazy().sort("a").collect()
print("waiting", flush=True)
try:
    next_from(queue.SimpleQueue())
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_what_comes_is_returned_in_order() -> None:
    inbox: queue.SimpleQueue[int] = queue.SimpleQueue()
    threading.Timer(0.5, lambda: [inbox.put(number) for number in (1, 2)]).start()
    assert [next_from(inbox), next_from(inbox)] == [1, 2]


def test_ctrl_c_ends_it_though_polars_was_used() -> None:
    pytest.importorskip("polars")
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        os.kill(waiting.pid, signal.SIGINT)
        try:
            assert waiting.wait(timeout=60) == 130
        finally:
            waiting.kill()
