"""Which of several servers takes a request: against the best that could be done, and what no choice may break."""

from __future__ import annotations

import heapq
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.server_choice import Load, choose_server


def played(servers: list[tuple[int, float]], count: int, *, known: bool) -> tuple[float, list[int]]:
    """Give out requests by the rule, each when it can be; return when all are answered, and who answered how many.

    Args:
        servers: how many requests each takes at once, and the seconds that it takes for any of them.
        count: how many requests.
        known: whether the seconds are known before the first answer.
    """
    now, under_way, waiting = 0.0, list[tuple[float, int]](), count
    in_flight, answered = [0] * len(servers), [0] * len(servers)
    latency = [seconds if known else 0.0 for _, seconds in servers]
    while waiting or under_way:
        while waiting:
            loads = [
                Load(in_flight[one], capacity, latency[one], capacity) for one, (capacity, _) in enumerate(servers)
            ]
            chosen = choose_server(loads, waiting=waiting)
            if chosen == "wait":
                break
            assert chosen != "none"
            assert in_flight[chosen] < servers[chosen][0]
            in_flight[chosen] += 1
            waiting -= 1
            heapq.heappush(under_way, (now + servers[chosen][1], chosen))
        now, ended = heapq.heappop(under_way)
        in_flight[ended] -= 1
        answered[ended] += 1
        latency[ended] = servers[ended][1]
    return now, answered


def earliest(servers: list[tuple[int, float]], count: int) -> float:
    """When all could be answered at the earliest, by whoever knows everything."""
    times = sorted({turn * seconds for _, seconds in servers for turn in range(1, count + 1)})
    return next(
        time for time in times if sum(size * math.floor(time / seconds + 1e-9) for size, seconds in servers) >= count
    )


one_server = st.tuples(st.integers(1, 8), st.floats(1, 10))


@settings(max_examples=150, deadline=None)
@given(servers=st.lists(one_server, min_size=2, max_size=2), count=st.integers(1, 80))
def test_two_servers_end_within_one_quick_request_of_the_earliest_time(
    servers: list[tuple[int, float]], count: int
) -> None:
    ended, answered = played(servers, count, known=True)
    assert sum(answered) == count
    assert ended <= earliest(servers, count) + min(seconds for _, seconds in servers) + 1e-9


@settings(max_examples=100, deadline=None)
@given(servers=st.lists(one_server, min_size=1, max_size=5), count=st.integers(1, 80), known=st.booleans())
def test_several_end_within_one_slow_request_of_the_earliest_time(
    servers: list[tuple[int, float]], count: int, known: bool
) -> None:
    ended, answered = played(servers, count, known=known)
    assert sum(answered) == count
    assert ended <= earliest(servers, count) + max(seconds for _, seconds in servers) + 1e-9


def test_work_is_shared_as_the_servers_are_quick() -> None:
    assert played([(8, 1.0), (8, 1.0)], 1600, known=False)[1] == [800, 800]
    quick, slow = played([(8, 1.0), (8, 4.0)], 1600, known=False)[1]
    assert quick / slow == pytest.approx(4, rel=0.02)


some_load = st.builds(
    Load,
    in_flight=st.integers(0, 4),
    capacity=st.integers(1, 4),
    latency=st.sampled_from([0.0, 0.5, 1.0, 8.0]),
    load=st.floats(1, 4),
    standing=st.sampled_from(["up", "trial", "resting", "down"]),
)


@settings(max_examples=400, deadline=None)
@given(
    loads=st.lists(some_load, min_size=1, max_size=4),
    waiting=st.integers(1, 20),
    without=st.sets(st.integers(0, 3)),
)
def test_a_choice_is_free_and_new_and_the_best_of_its_kind(loads: list[Load], waiting: int, without: set[int]) -> None:
    tier = {"up": 0, "trial": 0, "resting": 1, "down": 2}
    best = min(tier[load.standing] for load in loads)
    usable = {one for one, load in enumerate(loads) if tier[load.standing] == best} - without
    chosen = choose_server(loads, waiting=waiting, without=without)
    if chosen == "none":
        assert not usable
    elif chosen == "wait":
        # Whoever waits is woken: somebody there has something under way.
        assert any(loads[one].in_flight for one in usable)
    else:
        assert chosen in usable
        assert loads[chosen].is_free
    # The unit of time is of no account.
    slower = [load._replace(latency=load.latency * 60) for load in loads]
    assert choose_server(slower, waiting=waiting, without=without) == chosen


def test_of_servers_that_stand_alike_the_one_with_the_fewest_requests_is_taken() -> None:
    loads = [Load(in_flight, 8, 1.0, 8.0) for in_flight in (5, 3, 7)]
    assert choose_server(loads, waiting=50) == 1
    assert choose_server(loads, waiting=50, without={1}) == 0


def test_the_last_requests_wait_for_a_quick_server_rather_than_going_to_a_slow_one() -> None:
    loads = [Load(8, 8, 1.0, 8.0), Load(0, 8, 4.0, 8.0)]
    assert choose_server(loads, waiting=100) == 1
    assert choose_server(loads, waiting=4) == "wait"
    # A server that nobody knows yet is not waited for, nor taken for slow.
    assert choose_server([Load(8, 8), loads[1]], waiting=4) == 1
    assert choose_server([loads[0], Load(0, 8)], waiting=4) == 1


def test_a_server_on_trial_gets_what_the_others_cannot_take_at_once() -> None:
    full, trial = Load(8, 8, 1.0, 8.0), Load(0, 1, standing="trial")
    assert choose_server([full, trial], waiting=9) == 1
    assert choose_server([full, trial], waiting=8) == "wait"
    assert choose_server([full, Load(1, 1, standing="trial")], waiting=9) == "wait"
    assert choose_server([full, trial], waiting=1, without={0}) == 1


def test_servers_that_rest_or_are_set_aside_are_asked_when_there_is_no_other() -> None:
    up, resting, down = Load(0, 8), Load(0, 8, standing="resting"), Load(0, 8, standing="down")
    assert choose_server([down, resting, up], waiting=1) == 2
    assert choose_server([down, resting, up], waiting=1, without={2}) == "none"
    assert choose_server([down, resting], waiting=1) == 1
    assert choose_server([down, down], waiting=1, without={0}) == 1
    assert choose_server([down, down], waiting=1, without={0, 1}) == "none"


def test_a_server_on_trial_that_wants_a_pause_gets_one() -> None:
    pytest.importorskip("openai")
    from furikaeri_common.models.chat_client import ChatClient
    from furikaeri_common.models.server_state import Server

    server = Server(ChatClient("http://127.0.0.1:9/v1", key="none", timeout=1.0, limit=RateLimit(0)))
    server.standing, server.rests_until = "trial", 7.0
    assert server.load_at(6.0, 8, is_single=False) == Load(0, 1, standing="resting")
    assert server.load_at(7.0, 8, is_single=False) == Load(0, 1, standing="trial")
    server.standing = "down"
    assert server.load_at(6.0, 8, is_single=False) == Load(0, 8, standing="down")
    server.client.close()
