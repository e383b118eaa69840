"""Requests a second through several servers: two alike beside one, and a quick with a slow one beside round robin.

    .venv/bin/python benchmarks/server_pool.py [--requests 320] [--batch 32] [--seconds 0.2] [--json]

The servers are processes that answer each request after a fixed time, as many at once as they are sent, so that what is
measured is how requests are given out, and what that costs. "one after the other" is round robin: every second request
goes to the second server, which is what a list of addresses without a look at the servers comes to. With `--batch` the
requests come in groups, each of which is waited for, as shards of a table are.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from furikaeri_common.figures import Figure, tell_figures
from furikaeri_common.models.config import Conversation, ModelConfig
from furikaeri_common.models.servers import ChatServer, open_server

SLOWER = 4
CONCURRENCY = 8

_ANSWER = json.dumps(
    {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }
).encode()


def serve(seconds: float) -> None:
    """Answer every request after so many seconds, until the input ends; the port is printed."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(seconds)
            head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(_ANSWER)}\r\n\r\n"
            self.wfile.write(head.encode() + _ANSWER)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


@contextlib.contextmanager
def serving(times: Sequence[float]) -> Iterator[list[str]]:
    """Give the addresses of servers that take so many seconds each."""
    processes = []
    try:
        for seconds in times:
            command = [sys.executable, __file__, "--serve", str(seconds)]
            processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        ports = [process.stdout.readline().strip() for process in processes if process.stdout]
        yield [f"http://127.0.0.1:{port}/v1" for port in ports]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def opened(*urls: str) -> ChatServer:
    """Return servers as one, `CONCURRENCY` requests under way at each."""
    return open_server(ModelConfig(model="m", base_url=urls, concurrency=CONCURRENCY))


def written(server: ChatServer, count: int) -> None:
    """Ask for so many texts."""
    asked: list[Conversation] = [[{"role": "user", "content": str(number)}] for number in range(count)]
    server.write(asked, seeds=range(count), max_tokens=1, temperature=0.0)


def rate_shared(times: Sequence[float], requests: int, batch: int) -> tuple[float, list[int]]:
    """Return requests a second where servers share them, and what each answered."""
    with serving(times) as urls, opened(*urls) as server:
        written(server, 2 * CONCURRENCY)
        before = server.usage
        began = time.monotonic()
        for first in range(0, requests, batch):
            written(server, min(batch, requests - first))
        rate = requests / (time.monotonic() - began)
        counts = server.usage.by_server or {urls[0]: requests}
        return rate, [counts[url] - before.by_server.get(url, 0) for url in urls]


def rate_in_turn(times: Sequence[float], requests: int, batch: int) -> float:
    """Return requests a second where they go to one server after the other."""
    with serving(times) as urls, contextlib.ExitStack() as stack:
        servers = [stack.enter_context(opened(url)) for url in urls]
        for server in servers:
            written(server, CONCURRENCY)
        began = time.monotonic()
        for first in range(0, requests, batch):
            count = min(batch, requests - first)
            shares = [len(range(place, count, len(servers))) for place in range(len(servers))]
            threads = [
                threading.Thread(target=written, args=pair) for pair in zip(servers, shares, strict=True) if pair[1]
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return requests / (time.monotonic() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=320)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.serve is not None:
        serve(options.serve)
        return
    requests, batch, quick = options.requests, options.batch, options.seconds
    slow = SLOWER * quick
    one, _ = rate_shared([quick], requests, requests)
    alike, shares = rate_shared([quick, quick], requests, requests)
    mixed, mixed_shares = rate_shared([quick, slow], requests, requests)
    in_turn = rate_in_turn([quick, slow], requests, requests)
    groups, group_shares = rate_shared([quick, slow], requests, batch)
    groups_in_turn = rate_in_turn([quick, slow], requests, batch)
    most = CONCURRENCY / quick
    rows = [
        ("one server", one, None, most, [requests]),
        ("two alike", alike, None, 2 * most, shares),
        (f"one {SLOWER} times as slow", mixed, in_turn, most + CONCURRENCY / slow, mixed_shares),
        (f"the same, in groups of {batch}", groups, groups_in_turn, most + CONCURRENCY / slow, group_shares),
    ]
    unlike = f"two servers, one {SLOWER} times as slow"
    tell_figures(
        [
            Figure("requests through two servers alike", alike, "1/s", one, "one server", better="more"),
            Figure(f"requests through {unlike}", mixed, "1/s", in_turn, "round robin", better="more"),
            Figure(
                f"requests through {unlike}, groups of {batch}",
                *(groups, "1/s", groups_in_turn, "round robin"),
                better="more",
            ),
        ]
    )
    if options.json:
        columns = ("servers", "a second", "in turn", "at most", "answered by each")
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2))
        return
    print(f"{requests} requests that take {quick:g} s, {CONCURRENCY} under way at each server")
    print(f"{'':32}{'shared':>10}{'in turn':>10}{'at most':>10}  answered by each")
    for what, ours, other, limit, counts in rows:
        beside = "" if other is None else f"{other:.1f}/s"
        print(f"{what:32}{f'{ours:.1f}/s':>10}{beside:>10}{f'{limit:.1f}/s':>10}  {', '.join(map(str, counts))}")


if __name__ == "__main__":
    main()
