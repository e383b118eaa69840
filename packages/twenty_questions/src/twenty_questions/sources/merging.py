"""One list out of many: names that the game takes for the same become one keyword.

The game's matching is not transitive ("cars" matches "car" and "carses", which do not match each other), so it does not
divide names into classes. Here names are taken by weight, the heaviest first; each joins the heaviest keyword whose
name it matches, or becomes a keyword. So every name wins against the keyword it joined, and no two keywords' names
match each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from twenty_questions.sources.keyword_lists import KeywordList, keyword_list
from twenty_questions.words import Keyword, names_match, normalise, spellings

__all__ = ["cut_off", "groups_of", "merge_lists", "merge_samples", "without_words"]


def groups_of(names: Sequence[str], weights: Sequence[float]) -> list[list[int]]:
    """Return the positions of names that become one keyword, that of its heaviest name first.

    Args:
        names: as people write them.
        weights: of each; equal ones are taken in the order given.

    Returns:
        Groups in the order of their heaviest names; every position is in exactly one.

    Raises:
        ValueError: if there are not as many weights as names.
    """
    if len(names) != len(weights):
        raise ValueError(f"expected a weight for each of {len(names)} names, got {len(weights)}")
    groups: list[list[int]] = []
    heads: dict[str, int] = {}
    for position in sorted(range(len(names)), key=lambda position: -weights[position]):
        matching = [heads[form] for form in spellings(names[position]) if form in heads]
        if matching:
            groups[min(matching)].append(position)
        else:
            heads[normalise(names[position])] = len(groups)
            groups.append([position])
    return groups


def merge_samples(samples: Iterable[Sequence[str]], *, source: str = "") -> KeywordList:
    """Return what samples of names hold, the most often named first.

    Args:
        samples: each what was named at one time; a sample counts a keyword once, however often it names it.
        source: what the samples come from.

    Returns:
        A list whose counts are numbers of samples, with the prior in proportion. A keyword is spelt as most samples
        spell it; of equals the first stays.

    Raises:
        ValueError: if no sample names anything.
    """
    spelt: dict[str, Counter[str]] = {}
    named_by: dict[str, set[int]] = {}
    for number, sample in enumerate(samples):
        for name in dict.fromkeys(sample):
            form = normalise(name)
            spelt.setdefault(form, Counter())[name] += 1
            named_by.setdefault(form, set()).add(number)
    forms = list(spelt)
    names = [spelt[form].most_common(1)[0][0] for form in forms]
    groups = groups_of(names, [len(named_by[form]) for form in forms])
    counts = [len(set().union(*(named_by[forms[position]] for position in group))) for group in groups]
    order = sorted(range(len(groups)), key=lambda group: -counts[group])
    return keyword_list(
        [Keyword(names[groups[group][0]]) for group in order],
        [counts[group] for group in order],
        sources=[(source,) if source else () for _ in order],
    )


def merge_lists(lists: Sequence[KeywordList], weights: Sequence[float] | None = None) -> KeywordList:
    """Return the union of lists, the most probable keyword first.

    Keywords are one if their names match; alts join no two keywords, but those of all are kept.

    Args:
        lists: at least one.
        weights: how much each list's prior counts, above 0; all alike if None. The new prior is the mixture.

    Returns:
        A list whose counts are sums, and whose sources are those of all lists.

    Raises:
        ValueError: if there is no list, or the weights do not fit.
    """
    shares = np.ones(len(lists)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not lists or shares.shape != (len(lists),) or not (np.isfinite(shares).all() and (shares > 0).all()):
        raise ValueError(f"expected at least one list and a weight above 0 for each, got {len(lists)} and {weights}")
    keywords = [keyword for held in lists for keyword in held.keywords]
    counts = np.concatenate([held.counts for held in lists])
    sources = [named for held in lists for named in held.sources]
    prior = np.concatenate([share * held.prior for share, held in zip(shares / shares.sum(), lists, strict=True)])
    groups = groups_of([keyword.name for keyword in keywords], prior.tolist())
    mass = [float(prior[group].sum()) for group in groups]
    order = sorted(range(len(groups)), key=lambda group: -mass[group])
    return keyword_list(
        [_united([keywords[position] for position in groups[group]]) for group in order],
        [int(counts[groups[group]].sum()) for group in order],
        [mass[group] for group in order],
        [tuple(dict.fromkeys(name for position in groups[group] for name in sources[position])) for group in order],
    )


def cut_off(keywords: KeywordList, least: int) -> KeywordList:
    """Return the keywords that were named at least so many times, with what is left of the prior.

    Raises:
        ValueError: if none was.
    """
    return _chosen(keywords, np.flatnonzero(keywords.counts >= least).tolist(), f"with a count of at least {least}")


def without_words(keywords: KeywordList, words: Iterable[Keyword]) -> KeywordList:
    """Return the keywords whose name no word's name or alt matches.

    Raises:
        ValueError: if none is left.
    """
    forms = {form for word in words for name in word.names for form in spellings(name)}
    kept = [row for row, keyword in enumerate(keywords.keywords) if normalise(keyword.name) not in forms]
    return _chosen(keywords, kept, "that is not among the words to leave out")


def _chosen(keywords: KeywordList, rows: Sequence[int], what: str) -> KeywordList:
    if not rows:
        raise ValueError(f"expected at least one keyword {what}, got none")
    if len(rows) == len(keywords):
        return keywords
    return keyword_list(
        [keywords.keywords[row] for row in rows],
        keywords.counts[list(rows)],
        keywords.prior[list(rows)] / keywords.prior[list(rows)].sum(),
        [keywords.sources[row] for row in rows],
    )


def _united(keywords: Sequence[Keyword]) -> Keyword:
    """Return the first keyword with the alts of all; names that match the first's need not be said again."""
    name = keywords[0].name
    alts = dict.fromkeys(alt for keyword in keywords for alt in keyword.alts if not names_match(alt, name))
    return Keyword(name, tuple(alts))
