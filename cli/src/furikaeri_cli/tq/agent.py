"""`tq agent`: the contest's submission."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from furikaeri_cli.options import Json, Quiet, Table
from furikaeri_cli.output import Output
from furikaeri_common.artifacts import write_bytes
from twenty_questions import packing
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.packing import CONTEST_MEMORY, Proof

__all__ = ["Packed", "pack_agent", "pack_cli"]


class Packed(NamedTuple):
    """A submission that was written.

    Attributes:
        file: where it is.
        bytes: its size.
        sha256: of its bytes, which depend on the table and this version alone.
        proof: what it did when it was unpacked and played; None if that was not asked.
    """

    file: Path
    bytes: int
    sha256: str
    proof: Proof | None


def pack_agent(out: Path, table: Path, *, prove: bool, engine: bool) -> Packed:
    """Pack an agent, prove it if asked, and only then write it.

    Raises:
        InputError: if the table cannot be used, or the file cannot be written.
        WorkError: if the packed agent fails its proof.
    """
    tarball = packing.pack(table)
    proof = packing.prove(tarball, engine=engine) if prove else None
    write_bytes(out, tarball)
    return Packed(out, len(tarball), hashlib.sha256(tarball).hexdigest(), proof)


def pack_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The tarball to write, such as submission.tar.gz.")],
    table: Table = None,
    prove: Annotated[
        bool, typer.Option("--prove/--no-prove", help="Unpack it and let it play in a clean process first.")
    ] = True,
    engine: Annotated[
        bool, typer.Option("--engine/--no-engine", help="Prove it in the contest's engine too, if that is installed.")
    ] = True,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack the agent as a submission to the contest.

    The tarball holds `main.py`, the table and the code that they need; the same table gives the same bytes. It is
    proved by unpacking it where there is only Python and numpy, without a network and under the contest's memory
    limit, and playing whole matches. A tarball that fails is not written.

    Examples:
        tq agent pack submission.tar.gz
        tq agent pack mine.tar.gz --table my-table --no-engine
    """
    output = Output.choose(json=json, quiet=quiet)
    if prove and engine:
        output.note("Proving it takes some 30 s, most of it to start the contest's engine.")
    packed = pack_agent(out, table or TABLE_FOLDER, prove=prove, engine=engine)
    output.result(packed, _text(packed))


def _text(packed: Packed) -> str:
    lines = [f"{packed.file}: {packed.bytes / 1000:.0f} kB, sha256 {packed.sha256}"]
    if (proof := packed.proof) is not None:
        lines += [
            f"played {proof.matches} matches in a clean process: {proof.found} found, none erred",
            f"longest of {proof.moves} moves: {1000 * proof.slowest:.0f} ms, after {proof.loading:.1f} s of loading",
            f"memory: {proof.peak / 2**20:.0f} MiB at most, of {CONTEST_MEMORY / 2**30:.0f} GiB",
            "no network wanted, no module from outside",
        ]
        if proof.engine is not None:
            lines.append(
                f"contest's engine {proof.engine.version}: {proof.engine.matches} matches end alike, "
                f"longest act {1000 * proof.engine.slowest:.0f} ms, loading included"
            )
    return "\n".join(lines)
