"""The contest's submission (io): a tarball of `main.py`, vocabulary, table and code, and the proof that it plays.

`main.py` is the agent. Beside it lie `vocabulary.bin` and `answer_table/`, from which it plays, and of this code the
modules that it imports; of others it needs numpy alone. An agent whose answers models vote on brings these in
`models/`, or finds them in a folder that the contest mounts; it needs what the contest's machine has for them, too
(`packed_models.LIBRARIES`).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from furikaeri_common.errors import WorkError
from furikaeri_common.source_files import modules_needed
from twenty_questions.builtin.phrasing import WORDINGS_FILE
from twenty_questions.kaggle_engine import has_engine, open_engine
from twenty_questions.match import ACT_SECONDS
from twenty_questions.packed_main import MAIN, MAIN_WITH_MODELS
from twenty_questions.packed_models import LIBRARIES, PackedModels, link_packages
from twenty_questions.panel import MODELS_FOLDER, PANEL_FILE
from twenty_questions.players import AgentSpec
from twenty_questions.table import open_table
from twenty_questions.vocabulary.packed import BUILTIN_VOCABULARY, builtin_vocabulary, read_vocabulary
from twenty_questions.words import Keyword

__all__ = ["CONTEST_MEMORY", "EngineProof", "ModelProof", "Proof", "pack", "pack_into", "prove"]

CONTEST_MEMORY = 16 * 2**30
"""Bytes of memory that the contest gives an agent."""

_OUR_PACKAGES = ("twenty_questions", "furikaeri_common")
_CLEAN_ROOM = Path(__file__).with_name("clean_room.py")
_TABLE_FILES = ("manifest.json", "keywords.jsonl", "questions.jsonl", "answers.safetensors")
_SAME_DAY = 315532800  # 1 January 1980, the earliest that every archive format knows


class EngineProof(NamedTuple):
    """What the contest's own engine made of the agent: matches, and seconds of the longest act, loading included."""

    version: str
    matches: int
    slowest: float


class ModelProof(NamedTuple):
    """What the models of the agent did when it was asked `clean_room.INTERVIEW`, which no table knows.

    Attributes:
        questions: how many it answered, each by yes or no.
        votes: how many its models gave.
        failures: by model, what went wrong last; a question too long for a model is among it.
    """

    questions: int
    votes: int
    failures: dict[str, str]


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
        models: what its models did; None if it has none.
    """

    matches: int
    found: int
    moves: int
    slowest: float
    loading: float
    peak: int
    engine: EngineProof | None
    models: ModelProof | None = None


def pack(table_folder: Path, models: PackedModels | None = None, *, vocabulary: Path = BUILTIN_VOCABULARY) -> bytes:
    """Return the tarball of an agent; the same table, models and vocabulary give the same bytes.

    Args:
        table_folder: the table from which it asks and answers.
        models: what answers where the table does not know.
        vocabulary: the file of the words that it can guess besides the table's keywords.

    Raises:
        InputError: if the table or the vocabulary is missing or damaged.
    """
    packed = io.BytesIO()
    pack_into(packed, table_folder, models, vocabulary=vocabulary)
    return packed.getvalue()


def pack_into(
    stream: IO[bytes],
    table_folder: Path,
    models: PackedModels | None = None,
    *,
    vocabulary: Path = BUILTIN_VOCABULARY,
) -> None:
    """Write the same tarball to a stream, for models may be larger than memory.

    Raises:
        InputError: if the table or the vocabulary is missing or damaged.
    """
    open_table(table_folder, verify=True)
    if vocabulary == BUILTIN_VOCABULARY:
        builtin_vocabulary()
    else:
        read_vocabulary(vocabulary)
    main = MAIN if models is None else MAIN_WITH_MODELS
    content: dict[str, bytes | Path] = {"main.py": main.encode(), "vocabulary.bin": Path(vocabulary)}
    for name in _TABLE_FILES:
        content[f"answer_table/{name}"] = Path(table_folder) / name
    for module in modules_needed(main, _OUR_PACKAGES):
        content[module.name] = module.path
    content[f"twenty_questions/builtin/knowledge/{WORDINGS_FILE.name}"] = WORDINGS_FILE
    if models is not None:
        content[PANEL_FILE] = json.dumps(models.document, indent=2).encode()
        content |= models.files
    # Weights hardly get smaller, however long one tries.
    level = 9 if models is None else 1
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=_SAME_DAY, compresslevel=level) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(content):
            source = content[name]
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as opened:
                entry = tarfile.TarInfo(name)
                entry.size = opened.seek(0, io.SEEK_END)
                opened.seek(0)
                entry.mtime, entry.mode = _SAME_DAY, 0o644
                archive.addfile(entry, opened)


def prove(
    tarball: bytes | Path,
    *,
    matches: int = 10,
    engine: bool = True,
    memory: int = CONTEST_MEMORY,
    models: Mapping[str, Path] | None = None,
) -> Proof:
    """Unpack an agent and let it play where there is nothing but Python, numpy and itself; see `clean_room`.

    An agent with models finds there what is installed here of the contest's libraries for them, and uses the device
    that is here.

    Args:
        tarball: what `pack` returned, or a file of it.
        matches: how many matches it plays against itself, at least 1.
        engine: whether it also plays in the contest's engine, if that is installed.
        memory: bytes of address space it may use; with models, of what it may write to.
        models: where the models are here, by the names of their folders, if the contest is to mount them.

    Raises:
        WorkError: if it does not play every match without error, wants the network or a stranger's module, is slower
            than the contest allows, ends otherwise in the contest's engine than in ours, or its models do not vote.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "agent")
        with (
            tarfile.open(tarball) if isinstance(tarball, Path) else tarfile.open(fileobj=io.BytesIO(tarball)) as archive
        ):
            archive.extractall(folder, filter="data")
        for name, there in (models or {}).items():
            link = folder / MODELS_FOLDER / name
            if not link.exists():
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(there.resolve())
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
        models=ModelProof(len(seen["answers"]), seen["votes"], seen["failures"]) if "answers" in seen else None,
    )


def _play_in_clean_room(folder: Path, place: Path, matches: int, memory: int) -> dict[str, Any]:
    site = place / "site"
    site.mkdir()
    has_models = (folder / PANEL_FILE).is_file()
    link_packages(site, LIBRARIES if has_models else ("numpy",))
    command = [sys.executable, "-I", "-S", str(_CLEAN_ROOM), folder, site, matches, memory]
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
    odd = [answer for answer in seen.get("answers", ()) if answer not in ("yes", "no")]
    why = "; ".join(f"{name}: {failure}" for name, failure in seen.get("failures", {}).items())
    for wrong, what in (
        (failed, f"errs in the matches about {', '.join(failed)}"),
        (odd, f"answers neither yes nor no: {odd[:1]}"),
        (has_models and not seen.get("votes"), f"has models that do not vote ({why or 'all abstain'})"),
        (seen["sockets"], f"wanted a socket {seen['sockets']} times"),
        (seen["strangers"], f"imports from outside: {', '.join(seen['strangers'])}"),
        (seen["slowest"] + seen["loading"] > ACT_SECONDS, f"needs {seen['slowest']:.0f} s for a move"),
    ):
        if wrong:
            raise WorkError(f"the packed agent {what}")
    return seen


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
