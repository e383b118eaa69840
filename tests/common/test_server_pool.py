"""Several servers as one: shared work, and servers that die, come back, refuse, or are of another kind."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from furikaeri_common.configs import config_from
from furikaeri_common.documents import fingerprint
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.chat_client import ChatClient
from furikaeri_common.models.config import ModelConfig
from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.server_failures import BrokenReplyError
from furikaeri_common.models.server_pool import ServerPool
from furikaeri_common.models.servers import ChatServer, LostRequestError, open_server
from furikaeri_common.models.usage import requests_by_server, usage_of

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "stamina")), reason="openai is not installed"
)


def ask(text: object) -> list[dict[str, str]]:
    return [{"role": "user", "content": str(text)}]


def write(server: ChatServer, count: int) -> list[str]:
    return server.write([ask(i) for i in range(count)], seeds=[7] * count, max_tokens=9, temperature=0.5)


def p_yes(server: ChatServer, count: int) -> list[float]:
    return [
        math.exp(first["yes"]) if first else math.nan for first in server.next_tokens([ask(i) for i in range(count)])
    ]


def opinions(tools: ModuleType, count: int) -> Any:
    return pytest.approx([tools.opinion(str(i)) for i in range(count)])


@contextlib.contextmanager
def pool(*servers: Any, notes: list[str] | None = None, **settings: Any) -> Iterator[ChatServer]:
    urls = tuple(getattr(server, "url", server) for server in servers)
    config = ModelConfig(**{"model": "m", "base_url": urls, "attempts": 3, "timeout": 5.0, **settings})
    with open_server(config, on_note=None if notes is None else notes.append) as server:
        yield server


@contextlib.contextmanager
def scripted(tools: ModuleType, *scripts: Callable[[Any], Any]) -> Iterator[list[Any]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(tools.ScriptedServer(script)) for script in scripts]


@contextlib.contextmanager
def processes(tools: ModuleType, *settings: dict[str, Any]) -> Iterator[list[Any]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(tools.ServerProcess(**one)) for one in settings]


@contextlib.contextmanager
def meanwhile(action: Callable[[], None]) -> Iterator[None]:
    """Do something on a thread of its own; what it raises is raised here."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(30)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)


def settle() -> None:
    """Wait for the requests that go on unheard after a failure."""
    until(lambda: not any(thread.name == "request" for thread in threading.enumerate()))


def test_two_servers_share_the_work_and_the_slow_one_gets_less(tools: ModuleType) -> None:
    with processes(tools, {"seconds": 0.03}, {"seconds": 0.12}) as (quick, slow), pool(quick, slow) as server:
        assert p_yes(server, 60) == opinions(tools, 60)
        used = server.usage
        # One request to each found out what it gives.
        assert used.by_server == {quick.url: quick.answered(), slow.url: slow.answered()}
        assert used.requests == sum(used.by_server.values()) == 62
        assert used.retries == 0
        assert used.by_server[quick.url] > 1.5 * used.by_server[slow.url] > 6
        assert requests_by_server(usage_of(server)) == used.by_server


def test_as_many_requests_as_allowed_are_under_way_at_each(tools: ModuleType) -> None:
    def slow(request: Any) -> Any:
        time.sleep(0.02)
        return tools.said(str(request.body["messages"][0]["content"]))

    with scripted(tools, slow, slow) as servers, pool(*servers, concurrency=3) as server:
        results: list[list[str]] = [[], []]
        with meanwhile(lambda: results.__setitem__(1, write(server, 20))):
            results[0] = write(server, 30)
        assert results == [[str(i) for i in range(30)], [str(i) for i in range(20)]]
        # Two callers do not make it more.
        assert [one.most_at_once for one in servers] == [3, 3]


def test_the_rate_is_kept_to_at_each(tools: ModuleType) -> None:
    with (
        scripted(tools, lambda _: tools.said("x"), lambda _: tools.said("x")) as servers,
        pool(*servers, requests_per_minute=60 / 0.05) as server,
    ):
        began = time.monotonic()
        write(server, 16)
        seconds = time.monotonic() - began
        # Each request but the first to a server came 0.05 s after the one before, or later.
        counts = [len(one.asked()) for one in servers]
        assert sum(counts) == 16
        assert min(counts) >= 2
        assert seconds >= 0.05 * (max(counts) - 1)


def test_a_server_that_is_killed_leaves_its_requests_to_the_other(tools: ModuleType) -> None:
    notes: list[str] = []
    with (
        processes(tools, {"seconds": 0.03}, {"seconds": 0.03}) as (one, other),
        pool(one, other, notes=notes, concurrency=2) as server,
    ):

        def kill() -> None:
            until(lambda: other.answered() > 10)
            other.kill()

        with meanwhile(kill):
            assert p_yes(server, 60) == opinions(tools, 60)
        used = server.usage
        assert used.requests == 62
        assert used.by_server[one.url] > used.by_server[other.url] > 10
        # All that it had at once went to the other, and hardly anything was sent to it after its death.
        assert 1 <= used.retries <= 5
        assert notes == [f"{other.url} does not answer; its requests go to the others"]


def test_a_server_that_is_back_is_used_again_if_it_is_what_it_was(tools: ModuleType) -> None:
    notes: list[str] = []
    with processes(tools, {}, {}) as (one, other), pool(one, other, notes=notes, concurrency=2) as server:
        assert p_yes(server, 30) == opinions(tools, 30)
        other.kill()
        assert p_yes(server, 30) == opinions(tools, 30)
        assert notes == [f"{other.url} does not answer; its requests go to the others"]
        # It comes back without log-probabilities, and what it says is not mixed in.
        other.start(gives="answers")

        def ask_on(holds: Callable[[], bool]) -> None:
            def seen() -> bool:
                assert p_yes(server, 30) == opinions(tools, 30)
                return holds()

            until(seen)

        ask_on(lambda: len(notes) == 2)
        assert notes[1:] == [
            f"{other.url} gives no log-probabilities, which the others do; its requests go to the others"
        ]
        other.kill()
        other.start(gives="logprobs")
        ask_on(lambda: other.answered() > 20)
        assert notes[2:] == [f"{other.url} answers again, and is used"]


def test_when_all_are_killed_the_error_names_all_and_the_same_pool_goes_on_later(tools: ModuleType) -> None:
    notes: list[str] = []
    with processes(tools, {}, {}) as servers, pool(*servers, notes=notes, attempts=2) as server:
        assert p_yes(server, 20) == opinions(tools, 20)
        for one in servers:
            one.kill()
        both = " and ".join(one.url for one in servers)
        with pytest.raises(LostRequestError, match="broke off the connection after 2 tries") as caught:
            p_yes(server, 20)
        assert str(caught.value).count("broke off") == 1
        assert both in str(caught.value) or " and ".join(both.split(" and ")[::-1]) in str(caught.value)
        assert len(notes) == 2
        assert notes[1].endswith("does not answer; no server is left")
        for one in servers:
            one.start()
        assert p_yes(server, 20) == opinions(tools, 20)


def test_servers_that_are_not_there_are_told_at_once_all_of_them(tools: ModuleType) -> None:
    gone = [f"http://127.0.0.1:{tools.closed_port()}/v1" for _ in range(2)]
    with pool(*gone, attempts=9) as server:
        for asking in (lambda: p_yes(server, 3), lambda: write(server, 3)):
            began = time.monotonic()
            with pytest.raises(InputError, match=r"no server answers at http.*Start it") as caught:
                asking()
            assert all(url in str(caught.value) for url in gone)
            assert time.monotonic() - began < 5


def test_a_server_that_comes_late_joins_the_others(tools: ModuleType) -> None:
    notes: list[str] = []
    late = tools.ServerProcess()
    late.port = tools.closed_port()
    with processes(tools, {}) as (one,), pool(one, late, notes=notes, concurrency=2) as server:
        assert p_yes(server, 9) == opinions(tools, 9)
        assert notes == [f"{late.url} does not answer; its requests go to the others"]
        with late:

            def joined() -> bool:
                assert p_yes(server, 30) == opinions(tools, 30)
                return server.usage.by_server[late.url] > 20

            until(joined)


@pytest.mark.parametrize("asking", [p_yes, write])
def test_a_server_without_the_model_is_told_before_anything_is_kept(
    tools: ModuleType, asking: Callable[[ChatServer, int], Any]
) -> None:
    with processes(tools, {}, {"model": "other"}) as (right, wrong), pool(right, wrong) as server:
        with pytest.raises(InputError, match=r"has no model 'm'\. Choose among other") as caught:
            asking(server, 20)
        assert wrong.url in str(caught.value)
        assert right.url not in str(caught.value)
        settle()


def test_servers_of_two_kinds_are_refused(tools: ModuleType) -> None:
    with (
        processes(tools, {}, {"gives": "answers"}) as (with_them, without),
        pool(with_them, without) as server,
        pytest.raises(InputError, match=f"{without.url} gives no log-probabilities, {with_them.url} does: .*alike"),
    ):
        server.gives_probabilities(ask("?"))


def test_servers_that_allow_fewer_alternatives_set_what_all_are_asked(tools: ModuleType) -> None:
    def stricter(request: Any) -> Any:
        if request.body["top_logprobs"] > 5:
            return tools.refused(400, "too many top_logprobs")
        return tools.said("yes", first=tools.alternatives(yes=-0.1))

    def freer(_: Any) -> Any:
        return tools.said("yes", first=tools.alternatives(yes=-0.1))

    with scripted(tools, freer, stricter) as servers, pool(*servers) as server:
        assert server.next_tokens([ask(i) for i in range(20)]) == [{"yes": -0.1}] * 20
        assert {body["top_logprobs"] for one in servers for body in one.asked()[2:]} == {5}


def test_a_server_that_fails_again_and_again_is_set_aside(tools: ModuleType, at_once: None) -> None:
    notes: list[str] = []

    def failing(request: Any) -> Any:
        return tools.said("x") if request.number < 5 else tools.refused(500, "out of memory")

    with (
        scripted(tools, failing, lambda _: tools.said("x")) as (ill, well),
        pool(ill, well, notes=notes, concurrency=1) as server,
    ):
        assert write(server, 60) == ["x"] * 60
        assert len(ill.asked()) == 5 + 3
        assert notes == [f"{ill.url} answers with 500 (out of memory); its requests go to the others"]
        assert server.usage.by_server == {ill.url: 5, well.url: 55}
        assert server.usage.retries == 3


@pytest.mark.parametrize("status", [500, 400])
def test_a_request_that_no_server_answers_is_lost_and_no_server_is_blamed(
    tools: ModuleType, at_once: None, status: int
) -> None:
    notes: list[str] = []

    def script(request: Any) -> Any:
        return tools.refused(status, "bad") if request.body["messages"][0]["content"] == "5" else tools.said("x")

    with scripted(tools, script, script) as servers, pool(*servers, notes=notes) as server:
        with pytest.raises(LostRequestError, match=f"answered {status}.*: bad") as caught:
            write(server, 9)
        assert caught.value.position == 5
        told = [one.url in str(caught.value) for one in servers]
        assert told == [True, True] if status == 500 else sorted(told) == [False, True]
        sent = sum(body["messages"][0]["content"] == "5" for one in servers for body in one.asked())
        assert sent == (2 * 3 if status == 500 else 1)
        settle()
        assert write(server, 5) == ["x"] * 5
        assert notes == []


@pytest.mark.parametrize("pause", ["250", "3600", None])
def test_while_a_server_wants_a_pause_the_other_is_asked(tools: ModuleType, pause: str | None) -> None:
    def busy(request: Any) -> Any:
        headers = {} if pause is None else {"Retry_After": pause}
        return tools.said("x") if request.number < 5 else tools.refused(429, "slow down", **headers)

    with (
        scripted(tools, busy, lambda _: tools.said("x")) as (one, other),
        pool(one, other, concurrency=2) as server,
    ):
        began = time.monotonic()
        assert write(server, 40) == ["x"] * 40
        seconds = time.monotonic() - began
        assert seconds < 20
        # Where it does not say for how long, it is asked again after a second.
        assert 5 < len(one.asked()) <= 5 + 2 * (1 if pause else 1 + seconds)
        assert len(other.asked()) == 35


def test_a_server_that_was_well_and_has_another_model_now_is_left_out(tools: ModuleType) -> None:
    notes: list[str] = []

    def exchanged(request: Any) -> Any:
        return tools.said("x") if request.number < 5 else tools.refused(404, "no such model")

    with (
        scripted(tools, exchanged, lambda _: tools.said("x")) as (one, other),
        pool(one, other, notes=notes, concurrency=2) as server,
    ):
        assert write(server, 40) == ["x"] * 40
        assert notes == [f"{one.url} answers with 404 (no such model); its requests go to the others"]
        assert len(other.asked()) == 35


def test_a_server_that_hangs_gets_no_more_than_it_has(tools: ModuleType, at_once: None) -> None:
    def hanging(request: Any) -> Any:
        if request.number >= 4:
            servers[0].hang()
        return tools.said("x")

    with (
        scripted(tools, hanging, lambda _: tools.said("x")) as servers,
        pool(*servers, concurrency=2, timeout=0.5) as server,
    ):
        assert write(server, 40) == ["x"] * 40
        assert len(servers[0].asked()) <= 4 + 3 + 1


def test_a_server_that_hangs_at_the_start_holds_up_the_others_once(tools: ModuleType) -> None:
    notes: list[str] = []

    def hanging(request: Any) -> Any:
        servers[0].hang()

    def well(_: Any) -> Any:
        return tools.said("yes", first=tools.alternatives(yes=-0.1))

    with (
        scripted(tools, hanging, well) as servers,
        pool(*servers, notes=notes, attempts=5, timeout=0.5) as server,
    ):
        assert server.gives_probabilities(ask("?"))
        assert len(servers[0].asked()) == 1
        assert notes == [f"{servers[0].url} gives no answer in time; its requests go to the others"]


def test_servers_that_all_fail_at_the_start_are_tried_as_often_as_the_configuration_says(
    tools: ModuleType, at_once: None
) -> None:
    def loading(request: Any) -> Any:
        if request.number < 3:
            return tools.refused(503, "loading")
        return tools.said("yes", first=tools.alternatives(yes=-0.1))

    with scripted(tools, loading, loading) as servers:
        with pool(*servers, attempts=3) as server:
            assert server.gives_probabilities(ask("?"))
        assert [len(one.asked()) for one in servers] == [4, 4]


def test_nothing_is_told_of_servers_that_are_let_go() -> None:
    urls, notes = [f"http://127.0.0.1:{port}/v1" for port in (1, 2)], list[str]()
    clients = [ChatClient(url, key="none", timeout=1.0, limit=RateLimit(0.0)) for url in urls]
    servers = ServerPool(clients, capacity=1, on_note=notes.append)
    servers.set_aside(servers.servers[0], BrokenReplyError("half"))
    servers.close()
    servers.set_aside(servers.servers[1], BrokenReplyError("half"))
    assert notes == [f"{urls[0]} gives no answer that can be read; its requests go to the others"]


def test_closing_ends_what_looks_after_dead_servers(tools: ModuleType) -> None:
    def watching() -> int:
        return sum(thread.name == "server watch" for thread in threading.enumerate())

    gone = f"http://127.0.0.1:{tools.closed_port()}/v1"
    until(lambda: watching() == 0)
    with scripted(tools, lambda _: tools.said("x")) as (one,), pool(one, gone) as server:
        assert write(server, 9) == ["x"] * 9
        assert watching() == 1
    until(lambda: watching() == 0)


def test_addresses_are_given_as_a_list_or_as_one_text() -> None:
    one, other = "http://a:8000/v1", "http://b:8000/v1/"
    for given in ((one, other), f"{one},{other}", f" {one}, {other} ", f"{one}\n{other}", (one, other, f"{one}/")):
        config = ModelConfig(model="m", base_url=given)
        assert config.addresses == config.base_url == (one, other)
    assert ModelConfig(model="m").addresses == ()
    # One address is a text, whichever way it comes, and fingerprints are what they always were.
    for given in (one, (one,), [one], f"{one},"):
        assert config_from(ModelConfig, {"model": "m", "base_url": given}, source="a test") == ModelConfig(
            model="m", base_url=one
        )
    assert fingerprint(ModelConfig(model="m", base_url=(one,))) == fingerprint(
        {
            "model": "m", "base_url": one, "weights": "full", "device": "auto", "dtype": "auto",
            "api_key_variable": "OPENAI_API_KEY", "concurrency": 8, "timeout": 60.0, "attempts": 5,
            "requests_per_minute": 0.0, "price_in": 0.0, "price_out": 0.0,
        }
    )  # fmt: skip
    with pytest.raises(InputError, match="'b' is not a server's address"):
        open_server(ModelConfig(model="m", base_url=f"{one}, b"))


def test_where_the_servers_are_is_no_part_of_the_identity(tools: ModuleType) -> None:
    with processes(tools, {}, {}) as servers, pool(*servers) as several, pool(servers[0]) as one:
        assert several.identity == one.identity == {"kind": "server", "model": "m"}
        assert p_yes(several, 20) == p_yes(one, 20)
        assert one.usage.by_server == {}
        assert set(several.usage.by_server) == {server.url for server in servers}


def test_nothing_is_asked_twice_though_servers_die_one_after_the_other(tools: ModuleType) -> None:
    """Three servers, of which one at a time is killed and started again, over and over."""
    over = threading.Event()
    with processes(tools, *({"seconds": 0.01},) * 3) as servers, pool(*servers, attempts=9) as server:

        def kill_in_turn() -> None:
            for one in itertools.cycle(servers):
                if over.wait(0.15):
                    return
                one.kill()
                if over.wait(0.1):
                    return
                one.start()

        with meanwhile(kill_in_turn):
            try:
                assert p_yes(server, 160) == opinions(tools, 160)
                assert server.usage.requests == 3 + 160
            finally:
                over.set()


def test_a_failure_at_several_is_one_line_that_tells_each(tools: ModuleType, at_once: None) -> None:
    with scripted(tools, lambda _: tools.refused(503, "loading"), lambda _: tools.Answer(b"<html>")) as servers:
        with pool(*servers) as server, pytest.raises(WorkError) as caught:
            write(server, 1)
        first, second = (one.url for one in servers)
        text = str(caught.value)
        assert f"{first} answered 503 after 3 tries: loading" in text
        assert f"{second} gave no answer that can be read after 3 tries" in text
        assert "\n" not in text
