"""`tq agent`: the contest's submission."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer

from furikaeri_cli.options import Json, Leanings, Models, PromptName, Quiet, Table, Weights
from furikaeri_cli.output import Output
from furikaeri_common.artifacts import atomic_writer, sha256_of
from furikaeri_common.errors import InputError
from twenty_questions import packing
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.named_words import BUILT_IN, words_place
from twenty_questions.packed_models import PackedModels, models_to_pack
from twenty_questions.packing import CONTEST_MEMORY, Proof
from twenty_questions.panel import panel_of
from twenty_questions.vocabulary.packed import BUILTIN_VOCABULARY

__all__ = ["Packed", "pack_agent", "pack_cli"]


class Packed(NamedTuple):
    """A submission that was written.

    Attributes:
        file: where it is.
        bytes: its size.
        sha256: of its bytes, which depend on the table, the vocabulary and this version alone.
        proof: what it did when it was unpacked and played; None if that was not asked.
    """

    file: Path
    bytes: int
    sha256: str
    proof: Proof | None


def pack_agent(
    out: Path,
    table: Path,
    *,
    prove: bool,
    engine: bool,
    models: PackedModels | None = None,
    vocabulary: Path = BUILTIN_VOCABULARY,
) -> Packed:
    """Pack an agent, prove it if asked, and only then write it.

    Raises:
        InputError: if the table or vocabulary cannot be used, or the file cannot be written.
        WorkError: if the packed agent fails its proof.
    """
    with atomic_writer(out) as stream:
        packing.pack_into(stream, table, models, vocabulary=vocabulary)
        stream.flush()
        written = Path(stream.name)
        folders = models.folders if models is not None else {}
        proof = packing.prove(written, engine=engine, models=folders) if prove else None
        size, digest = written.stat().st_size, sha256_of(written)
    return Packed(out, size, digest, proof)


def pack_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The tarball to write, such as submission.tar.gz.")],
    table: Table = None,
    words: Annotated[
        str,
        typer.Option(
            "--words", metavar="FILE", help="The vocabulary of what can be guessed besides the table's keywords."
        ),
    ] = BUILT_IN,
    answerer: Annotated[
        Literal["table", "llm"],
        typer.Option("--answerer", help="What answers: rules and the table, or, after them, the vote of models."),
    ] = "table",
    model: Models = None,
    weights: Weights = "4bit",
    prompt: PromptName = "original",
    leanings: Leanings = None,
    models_at: Annotated[
        str,
        typer.Option(
            "--models-at",
            metavar="DIR",
            help="The folder in which the contest mounts the models' folders; without it they go into the tarball.",
        ),
    ] = "",
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

    The tarball holds `main.py`, a vocabulary, the table and the code that they need; the same of them give the same
    bytes. It is proved by unpacking it where there is only Python and numpy, without a network and under the contest's
    memory limit, and playing whole matches, about things of the table and words that it lacks. A tarball that fails is
    not written.

    With --answerer llm, models vote on what neither rules nor table know, within the contest's time and in the order
    that loads least; where one fails or is late, the others answer, and at worst the table and the rules. Each is a
    folder of transformers; one whose weights are quantised already takes --weights full. The proof then opens each of
    them on the device that is here, and asks what no table knows.

    Examples:
        tq agent pack submission.tar.gz
        tq agent pack voting.tar.gz --answerer llm --model ./gemma --model ./llama --model ./mistral
        tq agent pack voting.tar.gz --answerer llm --model ./gemma --models-at /kaggle/input/models
        tq agent pack mine.tar.gz --table my-table --words my-words.bin --no-engine
    """
    output = Output.choose(json=json, quiet=quiet)
    panel = panel_of(list(model or ()), weights=weights, prompt=prompt, leanings=str(leanings or ""))
    if (panel is not None) != (answerer == "llm"):
        wrong = "--answerer llm needs models" if panel is None else "--model needs an answerer that asks models"
        raise InputError(wrong, fix="Name them with --model" if panel is None else "Give --answerer llm, too")
    if models_at and panel is None:
        raise InputError("--models-at needs an answerer that asks models", fix="Give --answerer llm and --model, too")
    models = models_to_pack(panel, models_at) if panel is not None else None
    if prove and engine:
        output.note("Proving it takes about a minute, part of it to start the contest's engine.")
    vocabulary = words_place(words) or BUILTIN_VOCABULARY
    packed = pack_agent(out, table or TABLE_FOLDER, prove=prove, engine=engine, models=models, vocabulary=vocabulary)
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
        if (asked := proof.models) is not None:
            lines.append(f"asked {asked.questions} questions that no table knows: {asked.votes} votes of models")
            lines += [f"  {name}: {failure}" for name, failure in asked.failures.items()]
        if proof.engine is not None:
            lines.append(
                f"contest's engine {proof.engine.version}: {proof.engine.matches} matches end alike, "
                f"longest act {1000 * proof.engine.slowest:.0f} ms, loading included"
            )
    return "\n".join(lines)
