"""Servers to test against: one that says what a test tells it to, one that can be killed, llama.cpp's own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.request import urlopen


class Request(NamedTuple):
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    number: int
    """How many came before it."""
    at: float


class Answer(NamedTuple):
    body: bytes
    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012
    drip: float = 0.0
    """Seconds before each byte; 0: all at once."""
    cut: bool = False
    """Whether the connection ends before the body does."""


def said(text: str | None, *, first: Any = None, finish: str | None = "stop", usage: Any = (7, 2)) -> Answer:
    """An ordinary answer; `first` is what `logprobs` holds."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if first is not None:
        choice["logprobs"] = first
    document: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
    if usage is not None:
        document["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Answer(json.dumps(document).encode())


def alternatives(**logprobs: float) -> dict[str, Any]:
    top = [{"token": text, "logprob": value, "bytes": None} for text, value in logprobs.items()]
    return {"content": [{**top[0], "top_logprobs": top}]}


def refused(status: int, message: str, **headers: str) -> Answer:
    body = json.dumps({"error": {"message": message, "type": "error", "code": status}}).encode()
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


class ScriptedServer:
    """Answers requests with what `script` returns; keeps the requests, and how many were under way at once."""

    def __init__(self, script: Callable[[Request], Answer]) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.over = threading.Event()
        self._now = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._serve({})

            def do_POST(self) -> None:
                self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def _serve(self, body: dict[str, Any]) -> None:
                with outer._lock:
                    request = Request(self.path, body, dict(self.headers), len(outer.requests), time.monotonic())
                    outer.requests.append(request)
                    outer._now += 1
                    outer.most_at_once = max(outer.most_at_once, outer._now)
                answer = outer.script(request)
                with outer._lock:
                    outer._now -= 1
                with contextlib.suppress(OSError):
                    self._send(answer)

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer.body) + answer.cut * 10))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(answer.body)
                for byte in answer.body if answer.drip else b"":
                    if outer.over.wait(answer.drip):
                        break
                    self.wfile.write(bytes([byte]))
                if answer.cut or answer.drip:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the chat completions that were asked for."""
        return [request.body for request in self.requests if request.path.endswith("/chat/completions")]

    def hang(self) -> None:
        """Wait until the test is over."""
        self.over.wait(30)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def closed_port() -> int:
    """A port that nobody listens on."""
    with ScriptedServer(lambda request: said("")) as server:
        return int(server.url.rsplit(":", 1)[1].split("/")[0])


def opinion(text: str) -> float:
    """What a `ServerProcess` holds the probability of yes to be, of whatever it is asked."""
    return (1 + hashlib.sha256(text.encode()).digest()[0]) / 258


class ServerProcess:
    """A server in a process of its own, which can be killed at any moment and started again at the same address.

    Args:
        seconds: how long it takes for an answer.
        gives: log-probabilities of yes and no; or an answer alone, drawn by the seed.
        model: the only one that it has.
    """

    def __init__(
        self, *, seconds: float = 0.0, gives: Literal["logprobs", "answers"] = "logprobs", model: str = "m"
    ) -> None:
        self.settings = {"seconds": seconds, "gives": gives, "model": model}
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answered(self) -> int:
        """How many requests it has answered since it was started."""
        with urlopen(f"http://127.0.0.1:{self.port}/answered", timeout=10) as response:
            return int(response.read())

    def start(self, **settings: Any) -> None:
        self.settings |= settings
        command = [sys.executable, "-S", __file__, "opinions", str(self.port), json.dumps(self.settings)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                assert stream is not None
                stream.close()
        self._process = None

    def __enter__(self) -> ServerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _serve_opinions(port: int, settings: dict[str, Any]) -> None:
    answered = 0
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            listed = json.dumps({"object": "list", "data": [{"id": settings["model"]}]})
            self._send(200, str(answered) if self.path == "/answered" else listed)

        def do_POST(self) -> None:
            nonlocal answered
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if body["model"] != settings["model"]:
                self._send(404, refused(404, "no such model").body.decode())
                return
            text = body["messages"][-1]["content"]
            p_yes = opinion(text)
            time.sleep(settings["seconds"])
            first = None
            if settings["gives"] == "logprobs" and body.get("logprobs"):
                first = alternatives(yes=math.log(p_yes), no=math.log(1 - p_yes))
            drawn = "yes" if opinion(f"{body.get('seed')} {text}") < p_yes else "no"
            with lock:
                answered += 1
            self._send(200, said(drawn, first=first).body.decode())

        def _send(self, status: int, text: str) -> None:
            body = text.encode()
            head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            # In one piece, or the kernel holds the second one back for a while.
            self.wfile.write(head.encode() + body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def small_model() -> Path | None:
    """SmolLM2-135M as GGUF, where this machine has it."""
    folder = Path(os.environ.get("FURIKAERI_MODELS") or Path.home() / ".cache/furikaeri/models")
    file = folder / "smollm2-135m-instruct-q4_1.gguf"
    return file if file.is_file() else None


@contextlib.contextmanager
def llama_server(model: Path) -> Iterator[str]:
    """Run llama.cpp's server in a process of its own and give its address.

    It ends when its input does, so that it dies with this process however that ends.
    """
    process = subprocess.Popen(
        [sys.executable, __file__, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    patience = threading.Timer(60, process.kill)
    patience.daemon = True
    patience.start()
    try:
        address = process.stdout.readline().decode().strip()
        patience.cancel()
        if not address.startswith("http://127.0.0.1:"):
            raise RuntimeError(f"llama.cpp's server did not start: {address!r}")
        yield address + "/v1"
    finally:
        patience.cancel()
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _serve(model: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 8
    params.n_ctx = 8 * 512
    # Its threads wait by spinning, which is slow beside other work on few cores.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "opinions":
        _serve_opinions(int(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        _serve(sys.argv[1])
