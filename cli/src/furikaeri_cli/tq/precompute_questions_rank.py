"""`tq precompute questions rank`: the questions that add most to those kept already, and how much all of them tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from furikaeri_cli.options import Json, Quiet, Seed, Table
from furikaeri_cli.output import Output
from furikaeri_cli.tq.precompute_questions import Out
from furikaeri_common.errors import InputError
from twenty_questions.question_sources.question_lists import require_writable, write_questions

if TYPE_CHECKING:
    from twenty_questions.question_sources.ranking import Ranking, Step
    from twenty_questions.table import AnswerTable

__all__ = ["rank", "rank_cli"]


def rank_cli(
    out: Out,
    table: Table = None,
    budget: Annotated[int, typer.Option("--budget", min=1, help="How many questions to keep, at most.")] = 100,
    meaning: Annotated[bool, typer.Option("--meaning", help="Only questions of meaning, which cost labels.")] = False,
    noise: Annotated[
        float, typer.Option("--noise", min=0.0, max=0.49, help="Share of a partner's answers that differ.")
    ] = 0.05,
    letter_noise: Annotated[
        float, typer.Option("--letter-noise", min=0.0, max=0.49, help="The same for questions of spelling.")
    ] = 0.25,
    least_gain: Annotated[
        float, typer.Option("--least-gain", min=0.0, help="Stop where the next question adds fewer bits.")
    ] = 0.0,
    histories: Annotated[
        int, typer.Option("--histories", min=2, help="Sampled histories; more are more exact.")
    ] = 1024,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Keep the questions that add most information about the keyword to those already kept, best first.

    The table's answers, of all keywords or of a sample, say what questions tell. The curve shows how much of the
    prior's entropy the best n questions tell together.

    Examples:
        tq precompute questions rank best.jsonl --budget 100
        tq precompute questions rank best.jsonl --table sample-table --budget 1000 --meaning --least-gain 0.001
    """
    from twenty_questions.table import builtin_table, open_table

    output = Output.choose(json=json, quiet=quiet)
    require_writable(out)
    held = builtin_table() if table is None else open_table(table)
    ranking = rank(
        held,
        budget=budget,
        meaning=meaning,
        noise=noise,
        letter_noise=letter_noise,
        least_gain=least_gain,
        histories=histories,
        seed=seed,
        output=output,
    )
    questions = [held.questions[step.column] for step in ranking.steps]
    if not questions:
        raise InputError(f"no question adds {least_gain:g} bits", fix="Lower --least-gain")
    write_questions(out, questions)
    rows = [
        (number, held.questions[step.column].text, step.gain, step.bits, step.error)
        for number, step in _told(list(enumerate(ranking.steps, start=1)))
    ]
    steps = [
        {"key": held.questions[step.column].key, "text": held.questions[step.column].text, **step._asdict()}
        for step in ranking.steps
    ]
    repeats = {held.questions[one].key: held.questions[other].key for one, other in ranking.repeats.items()}
    value = {
        "file": str(out),
        "questions": len(questions),
        "entropy_bits": ranking.entropy,
        "bits": ranking.steps[-1].bits,
        "steps": steps,
        "repeats": repeats,
    }
    output.table(("n", "question", "adds", "bits", "+-"), rows, value=value)
    last = ranking.steps[-1]
    output.note(
        f"{len(questions):,} of {len(held.questions):,} questions in {out} tell {last.bits:.2f} of "
        f"{ranking.entropy:.2f} bits (standard error {last.error:.2f})"
        + (f"; {len(repeats)} more only repeat one of them" if repeats else "")
        + ".\nadds: bits beside the questions above it\nbits: of the first n together, by histories that chose none"
    )


def rank(
    table: AnswerTable,
    *,
    budget: int,
    meaning: bool,
    noise: float,
    letter_noise: float,
    least_gain: float,
    histories: int,
    seed: int,
    output: Output,
) -> Ranking:
    """Rank a table's questions.

    Args:
        table: what questions tell.
        budget: how many are kept at most.
        meaning: whether questions of spelling are left out.
        noise: how often a partner's answer differs from the table's.
        letter_noise: the same for questions of spelling.
        least_gain: where to stop, in bits.
        histories: that choose, and as many that judge.
        seed: of the histories.
        output: who is told of progress.

    Raises:
        InputError: if no question may be ranked.
    """
    import numpy as np

    from furikaeri_cli.progress import showing_progress
    from furikaeri_common.tasks import Progress
    from twenty_questions.question_sources.ranking import rank_questions

    kinds = [question.kind for question in table.questions]
    columns = [place for place, kind in enumerate(kinds) if kind == "table" or not (meaning or kind == "handshake")]
    if not columns:
        raise InputError("the table has no question of meaning", fix="Leave out --meaning")
    rates = np.array([noise if kind == "table" else letter_noise for kind in kinds])
    total = min(budget, len(columns))
    with showing_progress(output, "questions", total) as on_progress:
        began, done = time.monotonic(), list[int]()

        def tell(step: Step) -> None:
            done.append(step.column)
            on_progress(Progress("finished", "", len(done), total, "", time.monotonic() - began))

        return rank_questions(
            np.asarray(table.codes),
            table.prior,
            budget=budget,
            seed=seed,
            noise=rates,
            histories=histories,
            least_gain=least_gain,
            columns=columns,
            on_step=tell,
        )


def _told(steps: list[tuple[int, Step]]) -> list[tuple[int, Step]]:
    """Return the steps that a screen shows: the first twenty, then every tenth, and the last."""
    return [one for one in steps if one[0] <= 20 or one[0] % 10 == 0 or one[0] == len(steps)]
