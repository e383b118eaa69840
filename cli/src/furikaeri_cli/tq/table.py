"""`tq table`: what an answer table holds, whether it is sound, and how it is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from furikaeri_cli.options import Json, Table
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError
from twenty_questions.belief import entropy_bits
from twenty_questions.builtin.build import KNOWLEDGE_FOLDER, TABLE_FOLDER, build_table
from twenty_questions.experiments import read_labels
from twenty_questions.quality import (
    Agreement,
    Label,
    Recall,
    difference_counts,
    gold_agreement,
    majority_shares,
    recall_of,
    signs_of,
    uncertain_share,
)
from twenty_questions.table import AnswerTable, open_table, probability_of, save_table
from twenty_questions.words import find

__all__ = ["Soundness", "build_cli", "check", "check_cli", "info_cli", "show_cli"]

MOST_COMMON_SHARE = 0.995
LEAST_DIFFERENCES = 2


class Soundness(NamedTuple):
    """What `tq table check` finds.

    Attributes:
        keywords: number of keywords.
        questions: number of questions.
        uncertain: share of cells that are neither a definite yes nor a definite no.
        lopsided: keys of the questions with one answer for more than 99.5 % of the keywords.
        lookalikes: pairs of names that differ on fewer than two questions.
        lookalikes_in_meaning: the same, letting questions of spelling not count.
        agreement: with other labels, if they were given.
        recall: of a list of words, if one was given.
    """

    keywords: int
    questions: int
    uncertain: float
    lopsided: tuple[str, ...]
    lookalikes: tuple[tuple[str, str], ...]
    lookalikes_in_meaning: tuple[tuple[str, str], ...]
    agreement: Agreement | None
    recall: Recall | None

    @property
    def sound(self) -> bool:
        """Whether every question splits and every two keywords can be told apart."""
        return not self.lopsided and not self.lookalikes


def _folder(table: Path | None) -> Path:
    return table or TABLE_FOLDER


def info_cli(table: Table = None, json: Json = False) -> None:
    """Tell what a table holds and where it comes from.

    Examples:
        tq table info
        tq table info --table my-table --json
    """
    output = Output.choose(json=json)
    folder = _folder(table)
    held = open_table(folder)
    kinds: dict[str, int] = {}
    for question in held.questions:
        kinds[question.kind] = kinds.get(question.kind, 0) + 1
    facts: dict[str, Any] = {
        "folder": str(folder),
        "keywords": len(held.keywords),
        "questions": len(held.questions),
        "questions_by_kind": kinds,
        "cells": int(held.codes.size),
        "bytes": sum(path.stat().st_size for path in folder.iterdir()),
        "uncertain_share": uncertain_share(held),
        "prior_entropy_bits": entropy_bits(held.prior),
        "prior_ratio": float(held.prior.max() / held.prior.min()),
        "provenance": dict(held.provenance),
    }
    lines = [
        f"{facts['keywords']:,} keywords x {facts['questions']:,} questions "
        f"({', '.join(f'{count} {kind}' for kind, count in kinds.items())})",
        f"{facts['bytes'] / 1e6:.2f} MB in {folder}",
        f"prior: {facts['prior_entropy_bits']:.2f} bits, max/min ratio {facts['prior_ratio']:.1f}",
        f"uncertain cells: {facts['uncertain_share']:.1%}",
        *(f"{key}: {value}" for key, value in facts["provenance"].items()),
    ]
    output.result(facts, "\n".join(lines))


def show_cli(
    name: Annotated[str, typer.Argument(metavar="KEYWORD|QUESTION-KEY", help="A keyword, or the key of a question.")],
    question: Annotated[bool, typer.Option("--question", help="Take the name for a question's key.")] = False,
    table: Table = None,
    json: Json = False,
) -> None:
    """Show a keyword's answers, or which keywords a question holds for.

    Examples:
        tq table show hammer
        tq table show metal --question
    """
    output = Output.choose(json=json)
    held = open_table(_folder(table))
    rows = [] if question else find(name, held.keywords)
    columns = {question.key: column for column, question in enumerate(held.questions)}
    if rows:
        _show_keyword(output, held, rows[0])
    elif name in columns:
        _show_question(output, held, columns[name])
    else:
        raise InputError(
            f"{name!r} is neither a keyword nor a question's key of this table", fix="`tq table show hammer` works"
        )


def _show_keyword(output: Output, table: AnswerTable, row: int) -> None:
    keyword = table.keywords[row]
    signs = signs_of(table.codes[row])
    groups = {
        word: [question for question, sign in zip(table.questions, signs, strict=True) if sign == value]
        for word, value in (("yes", 1), ("uncertain", 0), ("no", -1))
    }
    value = {
        "name": keyword.name,
        "alts": list(keyword.alts),
        "prior": float(table.prior[row]),
        "answers": {
            question.key: float(probability)
            for question, probability in zip(table.questions, probability_of(table.codes[row]), strict=True)
        },
    }
    also = f" (also: {', '.join(keyword.alts)})" if keyword.alts else ""
    lines = [f"{keyword.name}{also}: prior {table.prior[row]:.3%}"]
    for word in ("yes", "uncertain"):
        lines += ["", f"{word}:"] + [f"  {question.text} [{question.key}]" for question in groups[word]]
    lines += ["", f"no: {len(groups['no'])} more"]
    output.result(value, "\n".join(lines))


def _show_question(output: Output, table: AnswerTable, column: int) -> None:
    signs = signs_of(table.codes[:, column])
    names = {
        word: [keyword.name for keyword, sign in zip(table.keywords, signs, strict=True) if sign == value]
        for word, value in (("yes", 1), ("uncertain", 0), ("no", -1))
    }
    question = table.questions[column]
    text = "\n".join(
        [f"{question.text} [{question.key}, {question.kind}]"]
        + [f"\n{word} ({len(names[word])}): {', '.join(names[word])}" for word in ("yes", "uncertain")]
        + [f"\nno: {len(names['no'])} more"]
    )
    output.result({"key": question.key, "text": question.text, "kind": question.kind, **names}, text)


def _read_words(path: Path) -> list[list[str]]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    words = [[name.strip() for name in line.split(";") if name.strip()] for line in lines]
    words = [names for names in words if names]
    if not words:
        raise InputError(f"{path}: holds no words")
    return words


def check(table: AnswerTable, labels: list[Label] | None, words: list[list[str]] | None) -> Soundness:
    """Return every figure about a table's quality."""
    shares = majority_shares(table)
    meaning = [column for column, question in enumerate(table.questions) if question.kind == "table"]
    return Soundness(
        keywords=len(table.keywords),
        questions=len(table.questions),
        uncertain=uncertain_share(table),
        lopsided=tuple(
            question.key for question, share in zip(table.questions, shares, strict=True) if share > MOST_COMMON_SHARE
        ),
        lookalikes=_lookalikes(table, None),
        lookalikes_in_meaning=_lookalikes(table, meaning),
        agreement=_agreement(table, labels) if labels else None,
        recall=recall_of(table, words) if words else None,
    )


def _agreement(table: AnswerTable, labels: list[Label]) -> Agreement:
    try:
        return gold_agreement(table, labels)
    except ValueError as error:
        raise InputError(f"the labels cannot be compared with this table: {error}") from error


def _lookalikes(table: AnswerTable, columns: list[int] | None) -> tuple[tuple[str, str], ...]:
    close = np.argwhere(np.triu(difference_counts(table, columns) < LEAST_DIFFERENCES, k=1))
    return tuple((table.keywords[one].name, table.keywords[other].name) for one, other in close)


def check_cli(
    table: Table = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="CSV", help="Other answers: keyword, question, answer.")
    ] = None,
    words: Annotated[
        Path | None, typer.Option("--words", metavar="FILE", help="A list to cover: a word a line, its alts after `;`.")
    ] = None,
    json: Json = False,
) -> None:
    """Check a table: its files against their hashes, that every question splits and every two things differ.

    With other labels it also reports how the table agrees with them (on what they share), with a list of words how
    much of it the keywords cover. Exits 1 when the table is not sound.

    Examples:
        tq table check
        tq table check --labels answers.csv --words list.txt --json
    """
    output = Output.choose(json=json)
    held = open_table(_folder(table), verify=True)
    found = check(held, read_labels(labels) if labels else None, _read_words(words) if words else None)
    output.result({**found._asdict(), "sound": found.sound}, _check_text(found))
    if not found.sound:
        raise typer.Exit(1)


def _check_text(found: Soundness) -> str:
    lines = [
        f"files: as the manifest says ({found.keywords:,} keywords, {found.questions:,} questions)",
        f"uncertain cells: {found.uncertain:.1%}",
        f"questions with one answer for more than {MOST_COMMON_SHARE:.1%}: {', '.join(found.lopsided) or 'none'}",
        f"pairs that differ on fewer than {LEAST_DIFFERENCES} questions: {_pairs(found.lookalikes)}",
        f"  the same without questions of spelling: {_pairs(found.lookalikes_in_meaning)}",
    ]
    if found.agreement:
        a = found.agreement
        lines += [
            f"agreement with the labels: balanced accuracy {a.balanced_accuracy:.3f} "
            f"(yes {a.yes_recall:.3f}, no {a.no_recall:.3f}) on {a.cells:,} cells of {a.shared_keywords} shared "
            f"keywords of {a.keywords}; {a.uncertain:.1%} of them uncertain",
        ]
    if found.recall:
        r = found.recall
        lines.append(f"recall of {r.words:,} words: {r.exact:.1%} exact, {r.by_the_game:.1%} by the game's matching")
    return "\n".join([*lines, "sound" if found.sound else "NOT sound"])


def _pairs(pairs: tuple[tuple[str, str], ...], number: int = 8) -> str:
    if not pairs:
        return "none"
    shown = ", ".join(" / ".join(pair) for pair in pairs[:number])
    return f"{len(pairs)}: {shown}{', ...' if len(pairs) > number else ''}"


def build_cli(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write the table to.")],
    knowledge: Annotated[
        Path, typer.Option("--knowledge", metavar="DIR", help="The folder with questions.txt and things/*.txt.")
    ] = KNOWLEDGE_FOLDER,
    json: Json = False,
) -> None:
    """Build a table from readable knowledge: edit an entry, build, and play with the result.

    Examples:
        tq table build my-table
        tq table build my-table --knowledge my-knowledge && tq play --table my-table
    """
    output = Output.choose(json=json)
    built = build_table(knowledge)
    save_table(built, out)
    output.result(
        {"folder": str(out), "keywords": len(built.keywords), "questions": len(built.questions)},
        f"{len(built.keywords):,} keywords x {len(built.questions):,} questions in {out}",
    )
