"""An unpacked agent at play with nothing else around (io): `python -I -S clean_room.py FOLDER NUMPY MATCHES BYTES`.

Runs as a file and imports nothing of ours but what lies in FOLDER. NUMPY is a folder that holds numpy alone. Before the
agent is loaded the address space is limited to BYTES, and every use of a socket is refused and counted. `main.py` is
loaded as the contest does: its text is executed without a `__file__`, and the last callable in it is the agent.

Four such agents play MATCHES matches, with keywords from all over their table, and then one against answerers who
say no to everything, which makes it long. On stdout, as JSON: `matches` (keyword, rewards, statuses and reason of
each), `moves`, `slowest` and `loading` (seconds of the longest move, and of loading the agent), `peak` (bytes of
memory), `sockets` (how often one was wanted) and `strangers` (modules that came from anywhere else).
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main", "peak_memory"]


def peak_memory() -> int:
    """Return the most memory this process held at once, in bytes.

    Where there is /proc, from there: the operating system's own account starts at what the parent held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(folder: Path, numpy_folder: Path, matches: int, memory: int) -> None:
    """Play, and print what was seen."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sockets: list[str] = []

    def refuse(event: str, arguments: object) -> None:
        if event.startswith("socket."):
            sockets.append(event)
            raise PermissionError(f"no network here: {event}")

    sys.addaudithook(refuse)
    sys.path.append(str(numpy_folder))
    start = time.perf_counter()
    agent = _last_callable(folder / "main.py")
    loading = time.perf_counter() - start
    durations: list[float] = []

    def timed(observation: Any, configuration: Any) -> Any:
        begin = time.perf_counter()
        try:
            return agent(observation, configuration)
        finally:
            durations.append(time.perf_counter() - begin)

    played = _play(timed, folder / "answer_table", matches)
    allowed = (str(folder), str(numpy_folder), str(Path(json.__file__).parents[1]))
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    print(
        json.dumps(
            {
                "matches": played,
                "moves": len(durations),
                "slowest": max(durations),
                "loading": loading,
                "peak": peak_memory(),
                "sockets": len(sockets),
                "strangers": sorted(
                    name for name, file in files.items() if file and name != "__main__" and not file.startswith(allowed)
                ),
            }
        )
    )


def _play(agent: Any, table_folder: Path, matches: int) -> list[dict[str, Any]]:
    play = importlib.import_module("twenty_questions.match").play
    keywords = importlib.import_module("twenty_questions.table").open_table(table_folder).keywords
    played = []
    for number in range(matches + 1):
        last = number == matches
        keyword = keywords[number * len(keywords) // (matches + 1)]
        others = (lambda: "no") if last else agent
        result = play([agent, others, agent, others], keyword)
        played.append(
            {
                "keyword": keyword.name,
                "alts": keyword.alts,
                "rewards": result.rewards,
                "statuses": result.statuses,
                "reason": result.reason,
            }
        )
    return played


def _last_callable(path: Path) -> Any:
    names: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    return [value for value in names.values() if callable(value)][-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
