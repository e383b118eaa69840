"""The contest's submission (io): one tarball with `main.py`, the table and the code, and the proof that it plays.

`main.py` is the agent. Beside it lie `answer_table/`, from which it plays, and of this code the modules that it
imports; of others it needs numpy alone.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.errors import WorkError
from furikaeri_common.source_files import modules_needed
from twenty_questions.builtin.phrasing import WORDINGS_FILE
from twenty_questions.kaggle_engine import has_engine, open_engine
from twenty_questions.match import ACT_SECONDS
from twenty_questions.players import AgentSpec
from twenty_questions.table import open_table
from twenty_questions.words import Keyword

__all__ = ["CONTEST_MEMORY", "EngineProof", "Proof", "pack", "prove"]

CONTEST_MEMORY = 16 * 2**30
"""Bytes of memory that the contest gives an agent."""

MAIN = '''"""A 20 Questions agent that guesses and answers from the table beside it."""

import os
import sys

# The contest executes this text without a __file__, in a process that may stand anywhere.
HERE = next(
    place
    for place in (
        os.path.dirname(os.path.abspath(sys._getframe().f_code.co_filename)),
        "/kaggle_simulations/agent",
        os.getcwd(),
    )
    if os.path.isfile(os.path.join(place, "answer_table", "manifest.json"))
)
sys.path.insert(0, HERE)

from pathlib import Path

from twenty_questions.agent import make_agent
from twenty_questions.builtin.phrasing import wordings_of
from twenty_questions.table import open_table

TABLE = open_table(Path(HERE) / "answer_table")
PLAY = make_agent(TABLE, wordings=wordings_of(TABLE))


# The contest takes the last callable of this file for the agent.
def agent(observation, configuration):
    return PLAY(observation, configuration)
'''

_OUR_PACKAGES = ("twenty_questions", "furikaeri_common")
_CLEAN_ROOM = Path(__file__).with_name("clean_room.py")
_TABLE_FILES = ("manifest.json", "keywords.jsonl", "questions.jsonl", "answers.safetensors")
_SAME_DAY = 315532800  # 1 January 1980, the earliest that every archive format knows


class EngineProof(NamedTuple):
    """What the contest's own engine made of the agent: matches, and seconds of the longest act, loading included."""

    version: str
    matches: int
    slowest: float


class Proof(NamedTuple):
    """What the unpacked agent did in a clean process.

    Attributes:
        matches: matches played, with four of the agent, and one against answerers who know nothing.
        found: how many ended with the keyword found.
        moves: how often the agent acted.
        slowest: seconds of the longest move.
        loading: seconds until the first move could begin.
        peak: bytes of memory at most.
        engine: the same in the contest's engine; None if it is not installed or was not asked.
    """

    matches: int
    found: int
    moves: int
    slowest: float
    loading: float
    peak: int
    engine: EngineProof | None


def pack(table_folder: Path) -> bytes:
    """Return the tarball of an agent that plays from a table; the same table gives the same bytes.

    Raises:
        InputError: if the table is missing or damaged.
    """
    open_table(table_folder, verify=True)
    content = {"main.py": MAIN.encode()}
    for name in _TABLE_FILES:
        content[f"answer_table/{name}"] = (Path(table_folder) / name).read_bytes()
    for module in modules_needed(MAIN, _OUR_PACKAGES):
        content[module.name] = module.path.read_bytes()
    content[f"twenty_questions/builtin/knowledge/{WORDINGS_FILE.name}"] = WORDINGS_FILE.read_bytes()
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=_SAME_DAY) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name in sorted(content):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.mode = len(content[name]), _SAME_DAY, 0o644
            archive.addfile(entry, io.BytesIO(content[name]))
    return packed.getvalue()


def prove(tarball: bytes, *, matches: int = 10, engine: bool = True, memory: int = CONTEST_MEMORY) -> Proof:
    """Unpack an agent and let it play where there is nothing but Python, numpy and itself; see `clean_room`.

    Args:
        tarball: what `pack` returned.
        matches: how many matches it plays against itself, at least 1.
        engine: whether it also plays in the contest's engine, if that is installed.
        memory: bytes of address space it may use.

    Raises:
        WorkError: if it does not play every match without error, wants the network or a stranger's module, is slower
            than the contest allows, or ends otherwise in the contest's engine than in ours.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "agent")
        with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
            archive.extractall(folder, filter="data")
        seen = _play_in_clean_room(folder, Path(place), matches, memory)
        engine_proof = _play_in_engine(folder, seen["matches"][:2]) if engine and has_engine() else None
    return Proof(
        matches=len(seen["matches"]),
        found=sum(match["reason"] == "guessed" for match in seen["matches"]),
        moves=seen["moves"],
        slowest=seen["slowest"],
        loading=seen["loading"],
        peak=seen["peak"],
        engine=engine_proof,
    )


def _play_in_clean_room(folder: Path, place: Path, matches: int, memory: int) -> dict[str, Any]:
    with _numpy_alone(place) as numpy_folder:
        command = [sys.executable, "-I", "-S", str(_CLEAN_ROOM), folder, numpy_folder, matches, memory]
        done = subprocess.run(
            [str(part) for part in command],
            cwd="/",
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise WorkError(f"the packed agent ended with exit code {done.returncode}: {last or 'no message'}")
    seen: dict[str, Any] = json.loads(done.stdout)
    failed = [match["keyword"] for match in seen["matches"] if match["reason"] not in ("guessed", "exhausted")]
    for wrong, what in (
        (failed, f"errs in the matches about {', '.join(failed)}"),
        (seen["sockets"], f"wanted a socket {seen['sockets']} times"),
        (seen["strangers"], f"imports from outside: {', '.join(seen['strangers'])}"),
        (seen["slowest"] + seen["loading"] > ACT_SECONDS, f"needs {seen['slowest']:.0f} s for a move"),
    ):
        if wrong:
            raise WorkError(f"the packed agent {what}")
    return seen


@contextlib.contextmanager
def _numpy_alone(place: Path) -> Iterator[Path]:
    """Make a folder of links to numpy and the libraries that its wheel brings."""
    spec = importlib.util.find_spec("numpy")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    folder = place / "site"
    folder.mkdir()
    for source in (package, package.with_name("numpy.libs")):
        if source.exists():
            (folder / source.name).symlink_to(source)
    yield folder


def _play_in_engine(folder: Path, expected: list[dict[str, Any]]) -> EngineProof:
    agents = [AgentSpec(kind="file", path=str(folder / "main.py"))] * 4
    slowest = 0.0
    with open_engine() as engine:
        for match in expected:
            played = engine.play(agents, Keyword(match["keyword"], tuple(match["alts"])))
            if [list(played.result.rewards), list(played.result.statuses)] != [match["rewards"], match["statuses"]]:
                raise WorkError(f"the packed agent's match about {match['keyword']} ends otherwise in the engine")
            slowest = max(slowest, played.slowest)
        return EngineProof(engine.version, len(expected), slowest)
