"""Chat servers: order, limits, retries, what a failure tells, what is counted; against faults and the real thing."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.models.config import ModelConfig, Writer
from furikaeri_common.models.rate_limits import RateLimit
from furikaeri_common.models.replies import read_reply
from furikaeri_common.models.servers import ChatServer, LostRequestError, open_server
from furikaeri_common.models.side_by_side import run_side_by_side
from furikaeri_common.models.usage import Usage

needs_client = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("openai", "stamina")), reason="openai is not installed"
)


def ask(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def write(server: ChatServer, count: int = 1) -> list[str]:
    return server.write([ask(str(i)) for i in range(count)], seeds=list(range(count)), max_tokens=9, temperature=0.5)


@contextlib.contextmanager
def serving(tools: ModuleType, script: Callable[[Any], Any], **config: Any) -> Iterator[tuple[Any, ChatServer]]:
    with tools.ScriptedServer(script) as scripted:
        settings = ModelConfig(**{"model": "m", "base_url": scripted.url, "attempts": 3, "timeout": 5.0, **config})
        with open_server(settings) as server:
            yield scripted, server


def text_of(request: Any) -> str:
    return str(request.body["messages"][-1]["content"])


@needs_client
def test_texts_come_in_the_order_of_the_requests_and_no_more_than_allowed_are_under_way(tools: ModuleType) -> None:
    def later_ones_first(request: Any) -> Any:
        time.sleep(0.02 * (12 - int(text_of(request))))
        return tools.said(text_of(request))

    with serving(tools, later_ones_first, concurrency=3) as (scripted, server):
        assert write(server, 12) == [str(i) for i in range(12)]
        assert scripted.most_at_once == 3


@needs_client
def test_a_request_holds_what_the_caller_asked_for(tools: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", " secret\n")
    with serving(tools, lambda _: tools.said("yes"), api_key_variable="MY_KEY") as (scripted, server):
        as_writer: Writer = server
        assert as_writer.write([ask("hi")], seeds=[41], max_tokens=9, temperature=0.5) == ["yes"]
        (request,) = scripted.requests
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == "Bearer secret"
        assert request.body == {
            "model": "m", "messages": ask("hi"), "max_tokens": 9, "temperature": 0.5, "seed": 41,
        }  # fmt: skip
        assert (server.name, server.identity) == ("m", {"kind": "server", "model": "m"})
        with pytest.raises(ValueError, match="seed for each of 1"):
            server.write([ask("hi")], seeds=[], max_tokens=1, temperature=0)
        assert server.write([], seeds=[], max_tokens=1, temperature=0) == []
        assert len(scripted.requests) == 1


@needs_client
def test_half_a_surrogate_pair_is_sent_as_a_question_mark(tools: ModuleType) -> None:
    with serving(tools, lambda request: tools.said(text_of(request))) as (_, server):
        assert server.write([ask("a\ud800b\U0001f600")], seeds=[0], max_tokens=1, temperature=0) == ["a?b\U0001f600"]


@needs_client
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_what_may_succeed_yet_is_sent_again(tools: ModuleType, at_once: None, status: int) -> None:
    def third_time(request: Any) -> Any:
        return tools.said("well") if request.number == 2 else tools.refused(status, "busy")

    with serving(tools, third_time) as (_, server):
        assert write(server) == ["well"]
        assert server.usage[:2] == (1, 2)


@needs_client
@pytest.mark.parametrize(
    ("status", "told"), [(429, "fewer requests"), (500, "server's own log"), (400, ""), (413, ""), (422, "")]
)
def test_a_lost_request_is_told_with_its_place_and_the_servers_words(
    tools: ModuleType, at_once: None, status: int, told: str
) -> None:
    def fail_one(request: Any) -> Any:
        return tools.refused(status, "it is\ntoo much") if text_of(request) == "2" else tools.said("x")

    with serving(tools, fail_one, concurrency=1) as (scripted, server):
        with pytest.raises(LostRequestError, match=f"answered {status}.*: it is too much") as caught:
            write(server, 9)
        assert caught.value.position == 2
        assert told in caught.value.fix
        assert scripted.url in str(caught.value)
        tries = 1 if status in (400, 413, 422) else 3
        assert len(scripted.requests) == 2 + tries
        assert server.usage.retries == tries - 1


@needs_client
@pytest.mark.parametrize("header", ["0.07", "date"])
def test_the_servers_own_wait_is_kept_to(tools: ModuleType, header: str) -> None:
    import stamina

    waits: list[float] = []
    header = formatdate(time.time() - 60, usegmt=True) if header == "date" else header

    def second_time(request: Any) -> Any:
        return tools.refused(429, "slow down", Retry_After=header) if request.number == 0 else tools.said("well")

    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda details: waits.append(details.wait_for)])
    try:
        with serving(tools, second_time) as (scripted, server):
            assert write(server) == ["well"]
            expected = 0.07 if header == "0.07" else 0.0
            assert waits == pytest.approx([expected])
            assert scripted.requests[1].at - scripted.requests[0].at >= expected
    finally:
        stamina.instrumentation.set_on_retry_hooks(before)


@needs_client
def test_a_wait_of_an_hour_is_not_waited_for(tools: ModuleType) -> None:
    with serving(tools, lambda _: tools.refused(429, "quota", Retry_After="3600")) as (scripted, server):
        for asked in (1, 2):
            with pytest.raises(LostRequestError, match="429: quota"):
                write(server)
            assert len(scripted.requests) == asked


@needs_client
def test_a_refused_key_names_its_variable(tools: ModuleType) -> None:
    with serving(tools, lambda _: tools.refused(401, "who?"), api_key_variable="MY_KEY") as (scripted, server):
        with pytest.raises(InputError, match=r"refuses the key \(401: who\?\).*MY_KEY"):
            write(server)
        assert len(scripted.requests) == 1


@needs_client
def test_a_key_that_no_header_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "ключ")
    with pytest.raises(InputError, match="MY_KEY"):
        open_server(ModelConfig(model="m", base_url="http://localhost:1/v1", api_key_variable="MY_KEY"))


@needs_client
def test_an_unknown_model_is_told_with_those_that_are_known(tools: ModuleType) -> None:
    def script(request: Any) -> Any:
        if request.path.endswith("/models"):
            return tools.Answer(b'{"object": "list", "data": [{"id": "beta"}, {"id": "alpha"}]}')
        return tools.refused(404, "no such model")

    with (
        serving(tools, script) as (_, server),
        pytest.raises(InputError, match=r"has no model 'm'\. Choose among alpha, beta"),
    ):
        write(server)


@needs_client
@pytest.mark.parametrize("models", [b"<html>", b"[]", b'{"data": null}', b""])
def test_an_address_without_the_protocol_is_told_so(tools: ModuleType, models: bytes) -> None:
    def script(request: Any) -> Any:
        return (
            tools.Answer(models, 404 if not models else 200)
            if request.path.endswith("/models")
            else tools.Answer(b"not found", 404)
        )

    with (
        serving(tools, script) as (_, server),
        pytest.raises(InputError, match=r"has no chat completions.*end in /v1"),
    ):
        write(server)


@needs_client
def test_a_server_that_is_not_there_is_told_at_once(tools: ModuleType) -> None:
    url = f"http://127.0.0.1:{tools.closed_port()}/v1"
    began = time.monotonic()
    with (
        open_server(ModelConfig(model="m", base_url=url, attempts=9)) as server,
        pytest.raises(InputError, match=f"no server answers at {url}.*Start it"),
    ):
        write(server)
    assert time.monotonic() - began < 5


@needs_client
def test_a_connection_that_breaks_later_is_tried_again_and_then_lost(tools: ModuleType, at_once: None) -> None:
    def script(request: Any) -> Any:
        if request.number:
            raise ConnectionAbortedError
        return tools.said("x")

    with serving(tools, script) as (scripted, server):
        assert write(server) == ["x"]
        with pytest.raises(LostRequestError, match="broke off the connection after 3 tries"):
            write(server)
        assert len(scripted.requests) == 4


@needs_client
@pytest.mark.parametrize("drip", [0.0, 0.05])
def test_a_server_that_hangs_or_drips_is_given_up_in_time(tools: ModuleType, at_once: None, drip: float) -> None:
    def script(request: Any) -> Any:
        if not drip:
            scripted.hang()
        return tools.said("x" * 500)._replace(drip=drip)

    with serving(tools, script, timeout=0.3, attempts=2) as (scripted, server):
        began = time.monotonic()
        with pytest.raises(LostRequestError, match=r"no answer within 0\.3 s after 2 tries"):
            write(server)
        assert time.monotonic() - began < 5
        assert len(scripted.requests) == 2


NONSENSE = {
    "html": b"<html><body>Welcome</body></html>",
    "nothing": b"",
    "broken off": b'{"choices": [{"message": {"content": "ye',
    "no choices": b'{"choices": []}',
    "no text": b'{"choices": [{"message": {"content": null}}]}',
    "no message": b'{"choices": [{"finish_reason": "stop"}]}',
    "parts": b'{"choices": [{"message": {"content": ["yes"]}, "finish_reason": "stop"}]}',
    "an error": b'{"error": {"message": "out of memory"}}',
    "a list": b"[1]",
    "bytes": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
}


@needs_client
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_asked_for_again_and_then_lost(tools: ModuleType, at_once: None, kind: str) -> None:
    good_from = [1]

    def script(request: Any) -> Any:
        return tools.said("yes") if request.number >= good_from[0] else tools.Answer(NONSENSE[kind])

    with serving(tools, script) as (scripted, server):
        assert write(server) == ["yes"]
        good_from[0] = 99
        with pytest.raises(LostRequestError, match="no answer that can be read after 3 tries") as caught:
            write(server)
        assert len(str(caught.value)) < 400
        assert len(scripted.requests) == 5


@needs_client
def test_an_answer_that_is_cut_off_in_the_wire_is_asked_for_again(tools: ModuleType, at_once: None) -> None:
    with serving(tools, lambda request: tools.said("yes")._replace(cut=request.number == 0)) as (_, server):
        assert write(server) == ["yes"]
        assert server.usage.retries == 1


@needs_client
@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_a_model_that_said_nothing_gives_no_text(tools: ModuleType, finish: str) -> None:
    with serving(tools, lambda _: tools.said(None, finish=finish)) as (_, server):
        assert write(server) == [""]


@needs_client
def test_parts_that_a_server_names_as_unknown_are_left_out_or_renamed(tools: ModuleType) -> None:
    def script(request: Any) -> Any:
        if "max_tokens" in request.body:
            return tools.refused(400, "Unsupported parameter. Use 'max_completion_tokens' instead.")
        if "seed" in request.body:
            return tools.refused(400, 'Unknown name "seed"')
        return tools.said("x")

    def both(request: Any) -> Any:
        found = script(request)
        if "max_tokens" in request.body:
            found = tools.refused(400, "'seed' is unknown; use 'max_completion_tokens'")
        return found

    with serving(tools, both) as (scripted, server):
        assert write(server, 5) == ["x"] * 5
        assert scripted.asked()[-1] == {
            "model": "m", "messages": ask(text_of(scripted.requests[-1])), "max_completion_tokens": 9,
            "temperature": 0.5,
        }  # fmt: skip
    # A word of the prompt that the server repeats is no name of a part.
    with serving(tools, lambda _: tools.refused(400, "cannot read: pumpkin seed")) as (scripted, server):
        with pytest.raises(LostRequestError, match="pumpkin"):
            write(server)
        assert len(scripted.requests) == 1


@needs_client
def test_first_tokens_come_with_their_probabilities(tools: ModuleType) -> None:
    def script(request: Any) -> Any:
        return tools.said("Yes", first=tools.alternatives(Yes=-0.5, No=-float(text_of(request))))

    with serving(tools, script) as (scripted, server):
        assert server.next_tokens([ask("1"), ask("2")]) == [{"Yes": -0.5, "No": -1.0}, {"Yes": -0.5, "No": -2.0}]
        assert len(scripted.requests) == 3  # the first found out whether it does
        for body in scripted.asked():
            assert {"max_tokens": 1, "temperature": 0.0, "logprobs": True, "top_logprobs": 20}.items() <= body.items()
        assert server.next_tokens([]) == []


@needs_client
def test_a_server_that_leaves_the_wish_out_of_account_is_asked_once(tools: ModuleType) -> None:
    with serving(tools, lambda _: tools.said("yes")) as (scripted, server):
        assert not server.gives_probabilities(ask("?"))
        assert server.next_tokens([ask("a")] * 3) == [None] * 3
        assert len(scripted.requests) == 1


@needs_client
@pytest.mark.parametrize(("allowed", "given"), [(5, True), (0, False)])
def test_a_server_that_refuses_the_wish_is_asked_for_less(tools: ModuleType, allowed: int, given: bool) -> None:
    def script(request: Any) -> Any:
        wished = request.body.get("top_logprobs", 0)
        if wished > allowed:
            return tools.refused(400, "too many top_logprobs")
        return tools.said("yes", first=tools.alternatives(yes=-0.1) if wished else None)

    with serving(tools, script) as (_, server):
        assert server.gives_probabilities(ask("?")) is given
        assert server.next_tokens([ask("a")]) == [{"yes": -0.1} if given else None]


@needs_client
def test_a_model_that_takes_neither_the_wish_nor_a_temperature_of_zero_gives_no_probabilities(
    tools: ModuleType,
) -> None:
    def script(request: Any) -> Any:
        if "logprobs" in request.body or request.body["temperature"] != 1 or request.body["max_tokens"] < 16:
            return tools.refused(400, "a model that reasons does not support this")
        return tools.said("yes")

    with serving(tools, script) as (_, server):
        assert server.gives_probabilities(ask("?")) is False


@needs_client
def test_a_refused_conversation_is_not_taken_for_a_refused_wish(tools: ModuleType) -> None:
    def script(request: Any) -> Any:
        if text_of(request) == "long":
            return tools.refused(400, "context size exceeded")
        return tools.said("yes", first=tools.alternatives(yes=-0.1))

    with serving(tools, script) as (_, server):
        with pytest.raises(LostRequestError, match="context size"):
            server.next_tokens([ask("long")])
        assert server.next_tokens([ask("short")]) == [{"yes": -0.1}]


@needs_client
@pytest.mark.parametrize("value", [math.nan, math.inf, None, "x", True])
def test_a_logprob_that_is_no_number_is_not_given(tools: ModuleType, value: Any) -> None:
    def script(request: Any) -> Any:
        first = tools.alternatives(yes=value)
        return tools.said("yes", first=tools.alternatives(yes=value, no=-2.0) if text_of(request) == "b" else first)

    with serving(tools, script) as (_, server):
        assert server.next_tokens([ask("a"), ask("b")]) == [None, {"no": -2.0}]


def test_tokens_of_one_text_are_added_up(tools: ModuleType) -> None:
    first = tools.alternatives(yes=math.log(0.25), no=-math.inf)
    first["content"][0]["top_logprobs"] += [{"token": "yes", "logprob": math.log(0.5)}, {"token": "no", "logprob": -1}]
    found = read_reply(tools.said("yes", first=first).body).first_token
    assert found == {"yes": pytest.approx(math.log(0.75)), "no": -1}


@needs_client
def test_tokens_and_money_are_counted(tools: ModuleType) -> None:
    def script(request: Any) -> Any:
        return tools.said("x", usage=(1000, 30) if text_of(request) != "3" else None)

    with serving(tools, script, price_in=2.0, price_out=10.0) as (_, server):
        assert server.usage == Usage(0, 0, 0, 0, 0, 0.0, 0.0)
        write(server, 4)
        used = server.usage
        assert used[:5] == (4, 0, 3000, 90, 1)
        assert used.cost == pytest.approx((3000 * 2 + 90 * 10) / 1e6)
        assert 0 < used.seconds < 5


@needs_client
def test_ctrl_c_ends_the_process_though_the_server_hangs(tools: ModuleType) -> None:
    script = (
        "import sys\n"
        "from furikaeri_common.models.config import ModelConfig\n"
        "from furikaeri_common.models.servers import open_server\n"
        "with open_server(ModelConfig(model='m', base_url=sys.argv[1], concurrency=2)) as server:\n"
        "    server.write([[{'role': 'user', 'content': 'a'}]] * 9, seeds=range(9), max_tokens=1, temperature=0)\n"
    )

    def hang(_: Any) -> Any:
        scripted.hang()
        return tools.said("late")

    with tools.ScriptedServer(hang) as scripted:
        process = subprocess.Popen([sys.executable, "-c", script, scripted.url], stderr=subprocess.PIPE)
        try:
            ends = time.monotonic() + 30
            while len(scripted.requests) < 2 and time.monotonic() < ends:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            told = process.communicate(timeout=5)[1].decode()
        finally:
            process.kill()
            process.wait()
        assert told.strip().endswith("KeyboardInterrupt")
        assert "Exception ignored" not in told
        assert len(scripted.requests) == 2


@needs_client
def test_retries_write_nothing_to_stderr(tools: ModuleType) -> None:
    script = (
        "import sys\n"
        "from furikaeri_common.models.config import ModelConfig\n"
        "from furikaeri_common.models.servers import open_server\n"
        "with open_server(ModelConfig(model='m', base_url=sys.argv[1])) as server:\n"
        "    server.write([[{'role': 'user', 'content': 'a'}]], seeds=[1], max_tokens=1, temperature=0)\n"
        "    assert server.usage.retries == 1\n"
    )

    def second_time(request: Any) -> Any:
        return tools.refused(429, "slow", Retry_After="0") if request.number == 0 else tools.said("x")

    with tools.ScriptedServer(second_time) as scripted:
        command = [sys.executable, "-W", "error", "-c", script, scripted.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "http://", "http://host:port/v1", "http://[::1/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="not a server's address"):
        open_server(ModelConfig(model="m", base_url=url))


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "furikaeri-common\[server\]"'):
        open_server(ModelConfig(model="m", base_url="http://localhost:1/v1"))


def test_a_configuration_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="base_url"):
        open_server(ModelConfig(model="m"))


@settings(max_examples=60, deadline=None)
@given(
    per_minute=st.floats(0.5, 600),
    pauses=st.lists(st.floats(0, 20), min_size=1, max_size=60),
)
def test_no_minute_holds_more_requests_than_allowed(per_minute: float, pauses: list[float]) -> None:
    now = [1000.0]
    let_through: list[float] = []

    def sleep(seconds: float) -> None:
        assert seconds > 0
        now[0] += seconds

    limit = RateLimit(per_minute, clock=lambda: now[0], sleep=sleep)
    for pause in pauses:
        now[0] += pause
        limit.wait()
        let_through.append(now[0])
    for start in let_through:
        assert sum(start <= at < start + 60 - 1e-6 for at in let_through) <= math.ceil(per_minute)
    # Nobody waits who has no need to.
    for before, after, pause in zip(let_through, let_through[1:], pauses[1:], strict=False):
        assert after == pytest.approx(max(before + 60 / per_minute, before + pause))


def test_without_a_limit_only_a_pause_holds_up() -> None:
    now, slept = [5.0], []
    limit = RateLimit(0, clock=lambda: now[0], sleep=slept.append)
    for _ in range(3):
        limit.wait()
    assert slept == []
    limit.pause(2.0)
    limit.pause(1.0)
    limit.wait()
    assert slept == [2.0]
    with pytest.raises(ValueError, match="per_minute"):
        RateLimit(math.nan)


@needs_client
def test_retries_count_against_the_limit(tools: ModuleType, at_once: None) -> None:
    slept: list[float] = []
    limit = RateLimit(60, clock=lambda: 0.0, sleep=slept.append)
    with tools.ScriptedServer(lambda request: tools.refused(500, "") if not request.number else tools.said("x")) as one:
        config = ModelConfig(model="m", base_url=one.url, concurrency=1)
        with ChatServer(config, key="k", limit=limit) as server:
            write(server, 2)
    assert slept == pytest.approx([1.0, 2.0])


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 30), concurrency=st.integers(1, 9))
def test_side_by_side_is_one_after_the_other(count: int, concurrency: int) -> None:
    def square(position: int, stop: threading.Event) -> int:
        assert not stop.is_set()
        time.sleep(0.001 * (position % 3))
        return position * position

    assert run_side_by_side(square, count, concurrency=concurrency) == [i * i for i in range(count)]


def test_the_first_failure_begins_nothing_more() -> None:
    begun: list[int] = []
    told = threading.Event()

    def call(position: int, stop: threading.Event) -> int:
        begun.append(position)
        if position == 1:
            raise KeyError(position)
        assert stop.wait(5)
        told.set()
        return position

    with pytest.raises(KeyError):
        run_side_by_side(call, 50, concurrency=2)
    assert told.wait(5)
    time.sleep(0.05)
    assert sorted(begun) == [0, 1]


@pytest.fixture(scope="module")
def real() -> Iterator[ModelConfig]:
    """A real model behind llama.cpp's server, in a process of its own."""
    for name in ("openai", "stamina", "xllamacpp"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        tools = importlib.import_module("model_server")
    if (model := tools.small_model()) is None:
        pytest.skip("no model: set FURIKAERI_MODELS to a folder with smollm2-135m-instruct-q4_1.gguf")
    with tools.llama_server(model) as url:
        yield ModelConfig(model="smollm2", base_url=url, concurrency=4)


@pytest.mark.models
def test_a_real_server_gives_probabilities(real: ModelConfig) -> None:
    with open_server(real) as server:
        first, again = server.next_tokens([ask("Is water wet? Answer yes or no only.")] * 2)
        assert first is not None
        assert again is not None
        assert len(first) == 20
        assert all(value <= 0 for value in first.values())
        assert 0.3 < sum(math.exp(value) for value in first.values()) <= 1 + 1e-6
        assert {text.strip().casefold() for text in first} >= {"yes", "no"}
        assert again == pytest.approx(first, abs=0.05)
        assert server.usage.requests == 3
        assert server.usage.tokens_out == 3
        assert server.usage.unmetered == 0


@pytest.mark.models
def test_a_real_server_writes_the_same_for_the_same_seed_one_at_a_time(real: ModelConfig) -> None:
    with open_server(replace(real, concurrency=1)) as server:
        prompts = [ask("Name an animal.")] * 4
        texts = server.write(prompts, seeds=[1, 2, 3, 1], max_tokens=12, temperature=1.0)
        assert texts[0] == texts[3]
        assert len(set(texts)) > 1
        assert all(texts)


@pytest.mark.models
def test_a_real_server_tells_of_a_prompt_that_is_too_long(real: ModelConfig) -> None:
    with open_server(real) as server, pytest.raises(LostRequestError, match=r"400.*context") as caught:
        server.write([ask("hi"), ask("cat " * 3000)], seeds=[1, 2], max_tokens=1, temperature=0)
    assert caught.value.position == 1


@pytest.mark.models
def test_a_real_server_that_dies_is_told_of(tools: ModuleType, at_once: None, real: ModelConfig) -> None:
    model = tools.small_model()
    assert model is not None
    with contextlib.ExitStack() as stack:
        config = replace(real, base_url=stack.enter_context(tools.llama_server(model)), attempts=2)
        with open_server(config) as server:
            assert all(write(server, 2))
            stack.close()
            with pytest.raises(LostRequestError, match="broke off the connection after 2 tries"):
                write(server, 2)
