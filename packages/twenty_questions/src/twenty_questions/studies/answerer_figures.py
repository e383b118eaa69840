"""What is told of answerers: figures of each, of each question, of the best voters, and pairs in dispute."""

from __future__ import annotations

from typing import NamedTuple

from twenty_questions.studies.intervals import Estimate

__all__ = ["AnswererFigures", "AnswererStudy", "ChosenVoters", "Disagreement", "QuestionFigures"]


class AnswererFigures(NamedTuple):
    """How well one answerer does, with intervals by keyword.

    Attributes:
        name: the model, or the vote.
        accuracy: share of right answers.
        balanced_accuracy: mean of the recalls of yes and no.
        yes_recall: share of the gold yes that it answers yes.
        no_recall: share of the gold no that it answers no.
        auc: chance that P(yes) ranks a yes above a no.
        log_loss: mean of -ln P(the right answer).
        brier: mean squared distance of P(yes) from the answer.
        neither: share of the pairs to which it said neither yes nor no, which is heard as no.
        threshold: what P(yes) must exceed for a yes: one number, or one for each voter.
        fitted_threshold: the best for balanced accuracy on all pairs, likewise.
        fitted_accuracy: with thresholds fitted on the other folds, so on other keywords.
        fitted_balanced_accuracy: likewise.
    """

    name: str
    accuracy: Estimate
    balanced_accuracy: Estimate
    yes_recall: float
    no_recall: float
    auc: Estimate
    log_loss: float
    brier: float
    neither: float
    threshold: tuple[float, ...]
    fitted_threshold: tuple[float, ...]
    fitted_accuracy: Estimate
    fitted_balanced_accuracy: Estimate


class QuestionFigures(NamedTuple):
    """How well an answerer does on one question; NaN where a figure needs both answers and one does not occur.

    Attributes:
        answerer: whose figures these are.
        question: the question.
        pairs: how many keywords it is asked about.
        yes_share: share of them with the gold answer yes.
        said_yes: share of them to which the answerer says yes.
        accuracy: share of right answers.
        balanced_accuracy: mean of the recalls of yes and no.
        auc: chance that P(yes) ranks a yes above a no.
    """

    answerer: str
    question: str
    pairs: int
    yes_share: float
    said_yes: float
    accuracy: float
    balanced_accuracy: float
    auc: float


class Disagreement(NamedTuple):
    """A pair on which the models differ, or on which the vote is wrong and sure (mean P(yes) past 0.9 or 0.1).

    Attributes:
        keyword: the keyword.
        question: the question.
        answer: the gold one.
        said: the vote's.
        mean: the models' mean P(yes).
        by_model: P(yes) of each model, NaN where it said neither.
    """

    keyword: str
    question: str
    answer: bool
    said: bool
    mean: float
    by_model: tuple[float, ...]


class ChosenVoters(NamedTuple):
    """The models that vote best together.

    Attributes:
        members: their names, chosen on all pairs.
        value: their measure on all pairs, so too good.
        thresholds: of P(yes), one for each member or one for the mean.
        by_fold: the names chosen without each fold.
        accuracy: of the held-out pairs, each answered by the members chosen without its keyword's fold.
        balanced_accuracy: likewise.
        auc: likewise, of their mean P(yes).
        gain: held-out balanced accuracy less that of the single model that is chosen in the same way.
        tried: how many combinations there were.
    """

    members: tuple[str, ...]
    value: float
    thresholds: tuple[float, ...]
    by_fold: tuple[tuple[str, ...], ...]
    accuracy: Estimate
    balanced_accuracy: Estimate
    auc: Estimate
    gain: Estimate
    tried: int


class AnswererStudy(NamedTuple):
    """Everything measured.

    Attributes:
        pairs: number of pairs.
        keywords: number of keywords.
        questions: number of questions.
        yes_share: share of the gold answers that are yes.
        answerers: each model; of several, the votes of all by either rule; then models and vote once more, without the
            leanings of questions that were learned on the other folds, so on other keywords.
        by_question: for each answerer and question.
        chosen: the best voters, if they were asked for.
        agreeing: share of the pairs on which all models decide alike.
        disagreements: the others, and what the vote has wrong though sure; the surest mistakes first.
    """

    pairs: int
    keywords: int
    questions: int
    yes_share: float
    answerers: tuple[AnswererFigures, ...]
    by_question: tuple[QuestionFigures, ...]
    chosen: ChosenVoters | None
    agreeing: float
    disagreements: tuple[Disagreement, ...]
