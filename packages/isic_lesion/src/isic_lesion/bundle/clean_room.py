"""An unpacked bundle at work with nothing else around (io): `python -I -S -B clean_room.py FOLDER SITE REPORT GIVEN`.

Runs as a file and imports nothing of ours but what lies in FOLDER. SITE is a folder that holds the libraries. Every use
of a socket is refused and counted. `predict.py` is imported as a notebook does, and its `main` called with GIVEN, its
arguments as a JSON object. REPORT, as JSON: `rows` and `unknown` (what `main` returned), `seconds`, `sockets` (how
often one was wanted), `libraries` (name and version of what was imported from SITE) and `strangers` (modules that came
from anywhere else).
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(folder: Path, site: Path, report: Path, given: dict[str, Any]) -> None:
    """Predict, and write down what was seen."""
    sockets: list[str] = []

    def refuse(event: str, arguments: object) -> None:
        if event.startswith("socket."):
            sockets.append(event)
            raise PermissionError(f"no network here: {event}")

    sys.addaudithook(refuse)
    sys.path[:0] = [str(folder)]
    sys.path.append(str(site))
    begin = time.perf_counter()
    made = importlib.import_module("predict").main(**given)
    seconds = time.perf_counter() - begin
    allowed = (f"{folder}/", f"{site}/", f"{Path(json.__file__).parents[1]}/", __file__)
    named = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
    files = {name: file for name, file in named.items() if Path(file).is_absolute()}  # torch makes some others up
    seen = {
        "rows": made.rows,
        "unknown": made.unknown,
        "seconds": seconds,
        "sockets": len(sockets),
        "libraries": {
            name: str(getattr(sys.modules[name], "__version__", ""))
            for name, file in files.items()
            if file.startswith((f"{site}/{name}/", f"{site}/{name}."))
        },
        "strangers": sorted(name for name, file in files.items() if not file.startswith(allowed)),
    }
    report.write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
