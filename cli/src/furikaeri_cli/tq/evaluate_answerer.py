"""`tq evaluate answerer`: what language models, and their vote, are worth as answerers on a gold set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from furikaeri_cli.options import BaseUrl, Device, Json, Leanings, Models, PromptName, Quiet, Runs, Seed, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.answerer_screen import Evaluated, Pace, document_of, show_evaluated
from furikaeri_cli.tq.asking import (
    Centring,
    Concurrency,
    Definitions,
    PriceIn,
    PriceOut,
    RequestsPerMinute,
    Samples,
    named_models,
)
from furikaeri_cli.tq.pair_progress import showing_pairs
from furikaeri_common.errors import InputError
from twenty_questions.labelling.labeller import Labeller, LabellerConfig
from twenty_questions.studies.answerers import StudyConfig
from twenty_questions.studies.thresholds import Measure
from twenty_questions.studies.votes import Rule

__all__ = ["STORE", "evaluate_answerer", "evaluate_answerer_cli"]

STORE = ".answers"
"""The folder beside the runs that keeps what models said, for later runs."""

_FOLDS = 5


def evaluate_answerer_cli(
    gold: Annotated[Path, typer.Argument(metavar="GOLD", help="A CSV with keyword, question, answer (yes or no).")],
    model: Models = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    device: Device = "auto",
    prompt: PromptName = "original",
    definitions: Definitions = False,
    centring: Centring = False,
    leanings: Leanings = None,
    samples: Samples = 8,
    save_leanings: Annotated[
        Path | None,
        typer.Option(
            "--save-leanings", metavar="FILE", help="Learn each question's leaning and write it for later use."
        ),
    ] = None,
    rules: Annotated[
        bool, typer.Option("--rules/--no-rules", help="Let questions of spelling be answered by rule.")
    ] = True,
    keywords: Annotated[
        int, typer.Option("--keywords", min=0, help="Take so many keywords, drawn by the seed; 0: all.")
    ] = 0,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.0, max=1.0, help="P(yes) above this is a yes.")
    ] = 0.5,
    rule: Annotated[Literal["majority", "mean"], typer.Option("--rule", help="How models vote.")] = "majority",
    choose: Annotated[
        int, typer.Option("--choose", min=0, help="Choose so many models that vote best together; 0: do not.")
    ] = 0,
    measure: Annotated[
        Literal["balanced_accuracy", "accuracy", "auc"],
        typer.Option("--measure", help="What the voters are chosen by."),
    ] = "balanced_accuracy",
    fit: Annotated[
        bool, typer.Option("--fit", help="Choose with thresholds that are fitted too, instead of --threshold.")
    ] = False,
    questions: Annotated[int, typer.Option("--questions", min=0, help="Print so many of the worst questions.")] = 10,
    disagreements: Annotated[
        int, typer.Option("--disagreements", min=0, help="Print so many pairs that are in dispute or surely wrong.")
    ] = 10,
    concurrency: Concurrency = 8,
    requests_per_minute: RequestsPerMinute = 0.0,
    price_in: PriceIn = 0.0,
    price_out: PriceOut = 0.0,
    runs: Runs = Path("runs"),
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure models as answerers on a gold set, alone and voting.

    Intervals are 95 %, by drawing keywords again. "Fitted" is balanced accuracy with thresholds fitted on other
    keywords than those they are judged on, in five folds; "+ leanings" is the model without each question's leaning,
    which is learned on other keywords likewise. What a model said is kept beside the runs: an interrupted
    command goes on from there, and a second one does not ask again.

    Examples:
        tq evaluate answerer gold.csv --model qwen2.5-coder-1.5b-instruct-q4_k_m.gguf
        tq evaluate answerer gold.csv --model a --prompt examples --save-leanings a.json
        tq evaluate answerer other.csv --model a --prompt examples --leanings a.json
        tq evaluate answerer gold.csv --model a --model b --model c --model d --choose 3 --fit
        tq evaluate answerer gold.csv --model llama --base-url http://localhost:8000/v1 --keywords 30 --json
    """
    output = Output.choose(json=json, quiet=quiet)
    named = named_models(model)
    if choose > len(named):
        raise InputError(f"--choose {choose} needs as many models, got {len(named)}", fix="Name more with --model")
    configs = [
        LabellerConfig(
            model=one,
            base_url=tuple(base_url or ()),
            weights=weights,
            device=device,
            prompt=prompt,
            definitions=definitions,
            centring=centring,
            leanings=str(leanings or ""),
            samples=samples,
            concurrency=concurrency,
            requests_per_minute=requests_per_minute,
            price_in=price_in,
            price_out=price_out,
        )
        for one in named
    ]
    if save_leanings and leanings:
        raise InputError("--save-leanings learns from what a model says by itself", fix="Leave --leanings out")
    if save_leanings and save_leanings.exists():
        from twenty_questions.labelling.leaning_files import read_leanings

        read_leanings(save_leanings)  # what is something else is refused before any work is done
    from twenty_questions.labelling.opening import open_labeller

    done = evaluate_answerer(
        gold,
        configs,
        study=_config(threshold, rule, choose, measure, fit, seed)._replace(corrected=leanings is not None),
        keywords=keywords,
        rules=rules,
        save_leanings=save_leanings,
        runs=runs,
        output=output,
        open_model=lambda config: open_labeller(config, on_note=output.note),
    )
    show_evaluated(output, done, rule, questions, disagreements)


def _config(threshold: float, rule: Rule, choose: int, measure: Measure, fit: bool, seed: int) -> StudyConfig:
    return StudyConfig(threshold, rule, choose, measure, fit, folds=_FOLDS, seed=seed)


def evaluate_answerer(
    gold: Path,
    models: Sequence[LabellerConfig],
    *,
    study: StudyConfig,
    keywords: int = 0,
    rules: bool = True,
    save_leanings: Path | None = None,
    runs: Path,
    output: Output,
    open_model: Callable[[LabellerConfig], Labeller],
) -> Evaluated:
    """Measure models on a gold set as one recorded run.

    The run keeps `results.json`, `disagreements.jsonl`, and `predictions.parquet` with every model's P(yes).

    Args:
        gold: the labels (see `experiments.read_labels`).
        models: which, and how they are asked.
        study: how they are judged; fewer folds are made of fewer keywords.
        keywords: how many are drawn; 0: all.
        rules: whether questions of spelling are answered by rule.
        save_leanings: where to write the leanings that all pairs teach; None: nowhere.
        runs: where runs are kept.
        output: who is told of progress.
        open_model: opens a model.

    Raises:
        InputError: if the gold set cannot be used, or two models have one name.
    """
    from furikaeri_common.artifacts import fingerprint_of, write_json, write_json_lines
    from furikaeri_common.documents import jsonable
    from furikaeri_common.models.usage import usage_of
    from furikaeri_common.runs import find_unfinished, start_run
    from twenty_questions.experiments import read_labels
    from twenty_questions.labelling.leaning_files import write_leanings
    from twenty_questions.studies.answerers import study_answerers
    from twenty_questions.studies.gold_pairs import gold_pairs, sample_keywords, spelled
    from twenty_questions.studies.learned_leanings import leanings_of
    from twenty_questions.studies.predictions import label_pairs, write_predictions

    labels = read_labels(gold)
    try:
        pairs = gold_pairs(sample_keywords(labels, keywords, study.seed) if keywords else labels)
    except ValueError as error:
        raise InputError(f"{gold}: {error}", fix="Remove one of the two") from error
    if len(pairs.keywords) < 2:
        raise InputError(f"{gold}: expected at least 2 keywords, got {len(pairs.keywords)}")
    study = study._replace(folds=min(study.folds, len(pairs.keywords)))
    given = spelled(pairs) if rules else None
    config: dict[str, Any] = {
        "models": [dataclasses.asdict(model) for model in models],
        "study": study._asdict(),
        "keywords": keywords,
        "rules": rules,
    }
    _warn_of_taught(models, pairs.keywords, output)
    data = {"gold": fingerprint_of(gold)}
    unfinished = find_unfinished(runs, "tq evaluate answerer", config, seed=study.seed, data=data)
    with start_run(runs, "tq evaluate answerer", config, seed=study.seed, data=data, resume=unfinished) as run:
        probabilities: dict[str, Any] = {}
        identities: dict[str, Any] = {}
        paces: list[Pace] = []
        for model in models:
            labeller = open_model(model)
            if labeller.name in probabilities:
                raise InputError(f"two models are called {labeller.name!r}", fix="Name each model once")
            with showing_pairs(output, labeller.name, pairs.size) as on_progress:
                told = label_pairs(labeller, pairs, runs / STORE, given=given, on_progress=on_progress)
            usage = usage_of(labeller)
            # A model is let go before the next one is opened.
            del labeller
            probabilities[told.name], identities[told.name] = told.probabilities, told.identity
            rate = told.labelled / told.seconds if told.labelled else math.nan
            paces.append(Pace(told.name, told.labelled, told.seconds, rate, usage))
        by_rule = np.zeros(pairs.size, dtype=np.bool_) if given is None else np.isfinite(given)
        result = study_answerers(pairs, probabilities, study, by_rule=by_rule)
        for figures in result.answerers:
            run.log(
                {
                    "accuracy": figures.accuracy.value,
                    "balanced_accuracy": figures.balanced_accuracy.value,
                    "auc": figures.auc.value,
                    "fitted_balanced_accuracy": figures.fitted_balanced_accuracy.value,
                },
                answerer=figures.name,
            )
        write_predictions(run.path / "predictions.parquet", pairs, probabilities)
        names = list(probabilities)
        write_json_lines(
            run.path / "disagreements.jsonl",
            (
                jsonable({**one._asdict(), "by_model": dict(zip(names, one.by_model, strict=True))})
                for one in result.disagreements
            ),
        )
        done = Evaluated(result, int(by_rule.sum()), tuple(paces), run.path)
        write_json(run.path / "results.json", jsonable({**document_of(done), "identities": identities}))
        if save_leanings is not None:
            try:
                learned = {name: leanings_of(pairs, p_yes, ~by_rule) for name, p_yes in probabilities.items()}
            except ValueError as error:
                raise InputError(f"{gold}: teaches no leanings ({error})", fix="Leave --save-leanings out") from error
            write_leanings(save_leanings, {name: (identities[name], one) for name, one in learned.items()})
    return done


def _warn_of_taught(models: Sequence[LabellerConfig], keywords: Sequence[str], output: Output) -> None:
    """Say so where leanings were learned on the very keywords that they are judged on."""
    from twenty_questions.labelling.leaning_files import read_leanings

    for file in dict.fromkeys(model.leanings for model in models if model.leanings):
        taught = {keyword for _, leanings in read_leanings(Path(file)).values() for keyword in leanings.keywords}
        if known := taught.intersection(keywords):
            output.warn(
                f"{file} was learned on {len(known)} of these {len(keywords)} keywords: figures on them are too good"
            )
