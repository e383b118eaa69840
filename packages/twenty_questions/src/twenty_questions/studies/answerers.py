"""What answerers are worth on a gold set: each model, their vote, each question, and where they disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twenty_questions.studies.answerer_figures import (
    AnswererFigures,
    AnswererStudy,
    ChosenVoters,
    Disagreement,
    QuestionFigures,
)
from twenty_questions.studies.combinations import choose_combination
from twenty_questions.studies.gold_pairs import GoldPairs, deal_folds
from twenty_questions.studies.intervals import DRAWS, Estimate, cluster_draws, percentile_estimate
from twenty_questions.studies.learned_leanings import corrected_by_folds
from twenty_questions.studies.thresholds import Measure, refit
from twenty_questions.studies.votes import Rule, decide, mean_probability, score_of
from twenty_questions.studies.yes_no_scores import (
    accuracy_of,
    auc,
    auc_of,
    balanced_accuracy_of,
    brier_score,
    counts_by_group,
    log_loss,
    wins_by_group,
)

__all__ = ["StudyConfig", "figures_of", "study_answerers"]

_SURE = 0.9


class StudyConfig(NamedTuple):
    """How answerers are judged.

    Attributes:
        threshold: what P(yes) must exceed for a yes, in [0, 1].
        rule: how models vote.
        choose: how many models are to vote; 0: no choice is made.
        measure: what the voters are chosen by.
        fit: whether the choice fits thresholds too, instead of taking `threshold`.
        folds: of keywords, at least 2.
        draws: of the bootstrap, at least 1.
        seed: of the folds and draws.
        corrected: whether leanings are out of the models already, so that none are learned.
    """

    threshold: float = 0.5
    rule: Rule = "majority"
    choose: int = 0
    measure: Measure = "balanced_accuracy"
    fit: bool = False
    folds: int = 5
    draws: int = DRAWS
    seed: int = 0
    corrected: bool = False


class _Said(NamedTuple):
    """What an answerer says: its P(yes), its decisions, and what they rest on."""

    name: str
    probabilities: NDArray[np.float64]
    decisions: NDArray[np.bool_]
    models: NDArray[np.floating]
    rule: Rule
    thresholds: tuple[float, ...]


def study_answerers(
    pairs: GoldPairs,
    probabilities: Mapping[str, NDArray[np.floating]],
    config: StudyConfig,
    *,
    by_rule: NDArray[np.bool_] | None = None,
) -> AnswererStudy:
    """Measure models and their vote on a gold set.

    Args:
        pairs: n labelled pairs.
        probabilities: P(yes) by model, each of shape (n,), NaN where the model said neither.
        config: how they are judged.
        by_rule: which pairs rules answered and no model, shape (n,); they teach no leanings, and have none taken out.

    Raises:
        ValueError: if there is no model, a shape does not fit, or there are fewer keywords than folds.
    """
    names, models = tuple(probabilities), np.asarray([*probabilities.values()], dtype=np.float64)
    if not names or models.shape != (len(names), pairs.size):
        raise ValueError(f"expected P(yes) of shape ({pairs.size},) of at least one model, got {models.shape}")
    folds = deal_folds(len(pairs.keywords), config.folds, config.seed)[pairs.keyword_of]
    weights = cluster_draws(len(pairs.keywords), config.draws, config.seed)
    said = _answerers(names, models, config)
    judged = said[-1] if len(names) == 1 else next(one for one in said[len(names) :] if one.rule == config.rule)
    said_by_models = np.ones(pairs.size, dtype=np.bool_) if by_rule is None else ~by_rule
    learned = [] if config.corrected else _learned(pairs, names, models, folds, said_by_models, config)
    votes = np.asarray([one.decisions for one in said[: len(names)]])
    differ = (votes != votes[0]).any(axis=0)
    return AnswererStudy(
        pairs=pairs.size,
        keywords=len(pairs.keywords),
        questions=len(pairs.questions),
        yes_share=float(pairs.answers.mean()),
        answerers=tuple(_figures(pairs, one, folds, weights) for one in (*said, *learned)),
        by_question=tuple(figures for one in said for figures in _by_question(pairs, one)),
        chosen=_choose(pairs, names, models, folds, weights, config) if config.choose else None,
        agreeing=float(1 - differ.mean()),
        disagreements=_disagreements(pairs, judged, differ),
    )


def figures_of(
    pairs: GoldPairs,
    decisions: NDArray[np.bool_],
    probabilities: NDArray[np.floating],
    weights: NDArray[np.float64],
) -> tuple[Estimate, Estimate, Estimate]:
    """Return accuracy, balanced accuracy and AUC, with intervals by keyword.

    Args:
        pairs: n labelled pairs of K keywords.
        decisions: what was said, shape (n,).
        probabilities: P(yes), shape (n,); NaN ranks as 0.
        weights: see `intervals.cluster_draws`, shape (draws, K).
    """
    counts = counts_by_group(pairs.answers, decisions, pairs.keyword_of, len(pairs.keywords))
    total, drawn = counts.sum(axis=0), weights @ counts
    wins = wins_by_group(pairs.answers, score_of(probabilities), pairs.keyword_of, len(pairs.keywords))
    area = float(auc_of(wins, np.ones((1, len(pairs.keywords))))[0])
    return (
        percentile_estimate(float(accuracy_of(total)), accuracy_of(drawn)),
        percentile_estimate(float(balanced_accuracy_of(total)), balanced_accuracy_of(drawn)),
        percentile_estimate(area, auc_of(wins, weights)),
    )


def _answerers(names: tuple[str, ...], models: NDArray[np.float64], config: StudyConfig) -> list[_Said]:
    limit = (config.threshold,)
    said = [
        _Said(name, model, decide(model[None], config.threshold), model[None], "majority", limit)
        for name, model in zip(names, models, strict=True)
    ]
    if len(names) > 1:
        mean = mean_probability(models)
        for rule in ("majority", "mean"):
            vote: Rule = "mean" if rule == "mean" else "majority"
            thresholds = limit if vote == "mean" else limit * len(names)
            said.append(_Said(f"vote ({vote})", mean, decide(models, config.threshold, vote), models, vote, thresholds))
    return said


def _learned(
    pairs: GoldPairs,
    names: tuple[str, ...],
    models: NDArray[np.float64],
    folds: NDArray[np.int64],
    said_by_models: NDArray[np.bool_],
    config: StudyConfig,
) -> list[_Said]:
    """Return the models without the leanings that are learned on the other folds; nothing where a fold cannot teach."""
    corrected = corrected_by_folds(pairs, models, folds, said_by_models)
    if corrected is None:
        return []
    voters = [(name, row[None]) for name, row in zip(names, corrected, strict=True)]
    if len(names) > 1:
        voters.append((f"vote ({config.rule})", corrected))
    return [
        _Said(
            f"{name} + leanings",
            mean_probability(voting),
            decide(voting, 0.5, config.rule),
            voting,
            config.rule,
            (0.5,) * (1 if config.rule == "mean" else len(voting)),
        )
        for name, voting in voters
    ]


def _figures(pairs: GoldPairs, said: _Said, folds: NDArray[np.int64], weights: NDArray[np.float64]) -> AnswererFigures:
    accuracy, balanced, area = figures_of(pairs, said.decisions, said.probabilities, weights)
    refitted = refit(pairs.answers, said.models, folds, said.rule)
    fitted_accuracy, fitted_balanced, _ = figures_of(pairs, refitted.decisions, said.probabilities, weights)
    return AnswererFigures(
        name=said.name,
        accuracy=accuracy,
        balanced_accuracy=balanced,
        yes_recall=_share(said.decisions[pairs.answers]),
        no_recall=_share(~said.decisions[~pairs.answers]),
        auc=area,
        log_loss=log_loss(pairs.answers, said.probabilities),
        brier=brier_score(pairs.answers, said.probabilities),
        neither=float(np.isnan(said.probabilities).mean()),
        threshold=said.thresholds,
        fitted_threshold=refitted.thresholds,
        fitted_accuracy=fitted_accuracy,
        fitted_balanced_accuracy=fitted_balanced,
    )


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if right.size else float("nan")


def _by_question(pairs: GoldPairs, said: _Said) -> list[QuestionFigures]:
    counts = counts_by_group(pairs.answers, said.decisions, pairs.question_of, len(pairs.questions))
    accuracies, balanced = accuracy_of(counts), balanced_accuracy_of(counts)
    scores = score_of(said.probabilities)
    figures = []
    for column, question in enumerate(pairs.questions):
        rows = pairs.question_of == column
        figures.append(
            QuestionFigures(
                answerer=said.name,
                question=question,
                pairs=int(rows.sum()),
                yes_share=_share(pairs.answers[rows]),
                said_yes=_share(said.decisions[rows]),
                accuracy=float(accuracies[column]),
                balanced_accuracy=float(balanced[column]),
                auc=auc(pairs.answers[rows], scores[rows]),
            )
        )
    return figures


def _disagreements(pairs: GoldPairs, judged: _Said, differ: NDArray[np.bool_]) -> tuple[Disagreement, ...]:
    p = judged.probabilities
    wrong = judged.decisions != pairs.answers
    told_right = np.where(np.isnan(p), 0.5, np.where(pairs.answers, p, 1 - p))
    rows = np.flatnonzero(differ | (wrong & (told_right <= 1 - _SURE)))
    # Mistakes come first, and among equals the less the models gave to the right answer.
    rows = rows[np.lexsort((told_right[rows], ~wrong[rows]))]
    return tuple(
        Disagreement(
            keyword=pairs.keywords[pairs.keyword_of[row]],
            question=pairs.questions[pairs.question_of[row]],
            answer=bool(pairs.answers[row]),
            said=bool(judged.decisions[row]),
            mean=float(p[row]),
            by_model=tuple(float(value) for value in judged.models[:, row]),
        )
        for row in rows
    )


def _choose(
    pairs: GoldPairs,
    names: tuple[str, ...],
    models: NDArray[np.float64],
    folds: NDArray[np.int64],
    weights: NDArray[np.float64],
    config: StudyConfig,
) -> ChosenVoters:
    chosen = choose_combination(
        pairs.answers,
        models,
        folds,
        size=config.choose,
        rule=config.rule,
        measure=config.measure,
        threshold=None if config.fit else config.threshold,
    )
    accuracy, balanced, area = figures_of(pairs, chosen.decisions, chosen.probabilities, weights)
    return ChosenVoters(
        members=tuple(names[member] for member in chosen.members),
        value=chosen.value,
        thresholds=chosen.thresholds,
        by_fold=tuple(tuple(names[member] for member in members) for members in chosen.by_fold),
        accuracy=accuracy,
        balanced_accuracy=balanced,
        auc=area,
        gain=_gain(pairs, chosen.decisions, models, folds, weights, config),
        tried=chosen.tried,
    )


def _gain(
    pairs: GoldPairs,
    decisions: NDArray[np.bool_],
    models: NDArray[np.float64],
    folds: NDArray[np.int64],
    weights: NDArray[np.float64],
    config: StudyConfig,
) -> Estimate:
    """Return by how much decisions beat the best single model, chosen in the same way from the same folds."""
    single = choose_combination(
        pairs.answers, models, folds, size=1, measure=config.measure, threshold=None if config.fit else config.threshold
    )
    ours, best = (
        counts_by_group(pairs.answers, made, pairs.keyword_of, len(pairs.keywords))
        for made in (decisions, single.decisions)
    )
    value = balanced_accuracy_of(ours.sum(axis=0)) - balanced_accuracy_of(best.sum(axis=0))
    return percentile_estimate(
        float(value), balanced_accuracy_of(weights @ ours) - balanced_accuracy_of(weights @ best)
    )
