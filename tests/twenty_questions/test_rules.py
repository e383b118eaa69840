"""The rules on hundreds of wordings, on questions not theirs, on any text, and against a slow obvious version."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twenty_questions.builtin import knowledge
from twenty_questions.questions import LETTER_TESTS, alphabetical, answer_by_spelling, letter
from twenty_questions.rules import LONGEST, NOT_MINE, RULES, TEXT_RULES, Verdict, answer_by_rule
from twenty_questions.rules.counts import COUNT, Count, read_count
from twenty_questions.rules.items import read_items
from twenty_questions.rules.reading import read_prompt

HERE = Path(__file__).parent
KEYWORDS = ("Apple", "yoga mat", "Zinc", "T-shirt rack", "3D printer", "Baker's yeast", "éclair", "a")


class Group(NamedTuple):
    """Wordings that get the same answers, by keyword; None leaves it open."""

    title: str
    expected: dict[str, bool | None]
    wordings: list[str]


def lines(name: str) -> Iterator[str]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def groups() -> list[Group]:
    found: list[Group] = []
    answers = {"yes": True, "no": False, "open": None}
    for line in lines("rule_wordings.txt"):
        if line.startswith("["):
            title, *fields = line.strip("[]").split("|")
            pairs = (field.split(":", 1) for field in fields)
            expected = {name.strip(): answers[answer.strip()] for answer, names in pairs for name in names.split(",")}
            found.append(Group(title.strip(), expected, []))
        else:
            found[-1].wordings.append(line.replace("\\n", "\n"))
    return found


GROUPS = groups()
WORDINGS = [(text, group.expected) for group in GROUPS for text in group.wordings]
MEANINGS = list(lines("rule_meanings.txt"))


def misread(wordings: Iterable[tuple[str, dict[str, bool | None]]]) -> list[tuple[str, str, Verdict]]:
    """Return the wordings that are not answered as expected, with a keyword and what it got."""
    return [
        (text, name, answer_by_rule(text, name))
        for text, expected in wordings
        for name, answer in expected.items()
        if answer_by_rule(text, name).answer != answer
    ]


def test_the_tables_are_as_large_as_they_should_be() -> None:
    assert len({text for text, _ in WORDINGS}) >= 750
    assert len(set(MEANINGS)) >= 400


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_wordings(group: Group) -> None:
    assert misread((text, group.expected) for text in group.wordings) == []


def test_questions_of_meaning_are_left_alone() -> None:
    assert misread((text, dict.fromkeys(KEYWORDS)) for text in MEANINGS) == []


def test_every_question_of_the_built_in_table_is_left_alone() -> None:
    source = (Path(knowledge.__file__).parent / "knowledge" / "questions.txt").read_text(encoding="utf-8")
    texts = re.findall(r"^\w+ +([A-Z][^?]*\?)", source, flags=re.MULTILINE)
    assert len(texts) > 250
    assert [text for text in texts if answer_by_rule(text, "Apple") != NOT_MINE] == []


def test_every_rule_says_what_it_is() -> None:
    rules = (*TEXT_RULES, *RULES)
    assert len({rule.__name__ for rule in rules}) == len(rules)
    assert all(rule.__doc__ for rule in rules)


def test_every_rule_answers_some_wording() -> None:
    used = {answer_by_rule(text, name).rule for text, expected in WORDINGS for name in expected}
    assert {rule.__name__ for rule in (*TEXT_RULES, *RULES)} <= used


@pytest.mark.parametrize(
    "text",
    ["Is it agent alpha?", "Is it Agent Alpha", " Is it Agent Alpha?", "Is it Agent Alpha?\n", "Is it Agent  Alpha?"],
)
def test_the_handshake_is_exact(text: str) -> None:
    assert answer_by_rule("Is it Agent Alpha?", "apple") == Verdict(True, "handshake")
    assert answer_by_rule(text, "apple") == NOT_MINE


# Ways to say the same: the answer may not depend on them.
SINGLE = [
    (text, expected)
    for text, expected in WORDINGS
    if text.endswith("?") and not set(text) & set("\n'") and text.count("?") == 1 and text != "Is it Agent Alpha?"
]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"', "'"),
        lambda text: re.sub(r'"([^"]*)"', "“\\1”", text),
        lambda text: re.sub(r'"([^"]*)"', "‘\\1’", text),
        lambda text: re.sub(r'"([^"]*)"', "**\\1**", text),
        lambda text: text.removesuffix("?"),
        lambda text: text + " ",
        lambda text: "\n" + text.replace(" ", "  ") + "\n",
        lambda text: text.replace(" ", "\u00a0", 3),
        lambda text: "Question: " + text,
        lambda text: text + " Please answer yes or no.",
        lambda text: text[0].lower() + text[1:],
    ],
    ids=[
        "single",
        "curly",
        "curly single",
        "bold",
        "no mark",
        "space",
        "spaces",
        "hard spaces",
        "lead",
        "closing",
        "lower",
    ],
)
def test_manner_does_not_matter(change: Callable[[str], str]) -> None:
    assert misread((change(text), expected) for text, expected in SINGLE) == []


QUOTED_WORD = st.text(
    st.characters(exclude_characters='"\ue000\n', exclude_categories=["Cs", "Cc", "Co"]), min_size=1, max_size=30
)
NAMES = st.one_of(
    st.text(max_size=20), st.sampled_from(KEYWORDS), st.from_regex(r"[a-zA-Z]{1,8}( [a-z]{1,6})?", fullmatch=True)
)


@given(name=NAMES, word=st.one_of(QUOTED_WORD, st.text(min_size=1, max_size=40).filter(lambda w: w.count('"') < 2)))
def test_the_protocols_question_is_answered_as_the_protocol_does(name: str, word: str) -> None:
    question = alphabetical(word)
    assert answer_by_rule(question.text, name).answer == answer_by_spelling(question, name)


@given(
    name=NAMES,
    test=st.sampled_from([test for test in LETTER_TESTS if test not in ("longer", "words")]),
    value=st.one_of(st.characters(categories=["Ll", "Lo"]), st.sampled_from("abcdefghijklmnopqrstuvwxyz")),
)
def test_generated_letter_questions_are_answered_as_spelled(name: str, test: str, value: str) -> None:
    question = letter(test, value)
    assert answer_by_rule(question.text, name).answer == answer_by_spelling(question, name)


@given(name=NAMES, test=st.sampled_from(["longer", "words"]), value=st.integers(0, 30))
def test_generated_counts_are_answered_as_spelled(name: str, test: str, value: int) -> None:
    question = letter(test, str(value))
    assert answer_by_rule(question.text, name).answer == answer_by_spelling(question, name)


# The canonical wordings again, by the shortest code that is obviously right for names of plain letters and spaces.
PLAIN_NAMES = st.from_regex(r"[a-z]{1,8}( [a-z]{1,6}){0,2}", fullmatch=True)
LOWER = st.sampled_from("abcdefghijklmnopqrstuvwxyz")
WORD = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
SMALL = st.integers(1, 12)


def letter_count(name: str) -> int:
    return len(name.replace(" ", ""))


SLOW: list[tuple[str, Callable[[str, str, str, int, int], bool]]] = [
    ('Does the keyword start with the letter "{a}"?', lambda name, a, b, i, j: name[0] == a),
    ("Does the word begin with {a} or {b}?", lambda name, a, b, i, j: name[0] in (a, b)),
    ("Does it end with the letter '{a}'?", lambda name, a, b, i, j: name[-1] == a),
    ("Does the keyword contain the letter {a}?", lambda name, a, b, i, j: a in name),
    ("Does the keyword contain both '{a}' and '{b}'?", lambda name, a, b, i, j: a in name and b in name),
    ("Does the keyword contain neither '{a}' nor '{b}'?", lambda name, a, b, i, j: a not in name and b not in name),
    ("Is the first letter of the keyword between {a} and {b}?", lambda name, a, b, i, j: a <= name[0] <= b),
    ("Is the last letter of the keyword before '{a}' in the alphabet?", lambda name, a, b, i, j: name[-1] < a),
    ("Is the first letter a vowel?", lambda name, a, b, i, j: name[0] in "aeiou"),
    ('Is the third letter "{a}"?', lambda name, a, b, i, j: name.replace(" ", "")[2:3] == a),
    ("Does the keyword have at least {i} letters?", lambda name, a, b, i, j: letter_count(name) >= i),
    ("Is the keyword exactly {i} letters long?", lambda name, a, b, i, j: letter_count(name) == i),
    ("Does the keyword have fewer than {i} letters?", lambda name, a, b, i, j: letter_count(name) < i),
    ("Does the keyword have between {i} and {j} letters?", lambda name, a, b, i, j: i <= letter_count(name) <= j),
    ("Does the keyword have an even number of letters?", lambda name, a, b, i, j: letter_count(name) % 2 == 0),
    ("Is the keyword two words?", lambda name, a, b, i, j: len(name.split()) == 2),
    ("Does the keyword contain a space?", lambda name, a, b, i, j: " " in name),
    ('Does the letter "{a}" appear more than once in the keyword?', lambda name, a, b, i, j: name.count(a) > 1),
    ("Does the keyword have a double letter?", lambda name, a, b, i, j: re.search(r"([a-z])\1", name) is not None),
    ("Does any word of the keyword start with {a}?", lambda name, a, b, i, j: any(w[0] == a for w in name.split())),
    ("Does the last word of the keyword end with {a}?", lambda name, a, b, i, j: name.split()[-1][-1] == a),
    ("Does the keyword start with {a} and end with {b}?", lambda name, a, b, i, j: name[0] == a and name[-1] == b),
    ("Does the keyword start and end with the same letter?", lambda name, a, b, i, j: name[0] == name[-1]),
]


@pytest.mark.parametrize(("wording", "slow"), SLOW, ids=[wording for wording, _ in SLOW])
@given(name=PLAIN_NAMES, letters=st.tuples(LOWER, LOWER), numbers=st.tuples(SMALL, SMALL))
def test_canonical_wordings_against_a_slow_version(
    wording: str,
    slow: Callable[[str, str, str, int, int], bool],
    name: str,
    letters: tuple[str, str],
    numbers: tuple[int, int],
) -> None:
    (a, b), (i, j) = sorted(letters), sorted(numbers)
    assert answer_by_rule(wording.format(a=a, b=b, i=i, j=j), name).answer == slow(name, a, b, i, j)


@given(name=PLAIN_NAMES, word=WORD, other=WORD)
def test_order_against_a_slow_version(name: str, word: str, other: str) -> None:
    low, high = sorted((word, other))
    asked = {
        f'Does the keyword come before "{word}" alphabetically?': name < word,
        f"Is the keyword lexicographically greater than '{word}'?": name > word,
        f'Does the word "{word}" come after the keyword in the dictionary?': name < word,
        f'Does the keyword not come before "{word}" in alphabetical order?': name >= word,
    }
    if len(low) > 1:
        asked[f'Is the keyword alphabetically between "{low}" and "{high}"?'] = low < name < high
    assert {question: answer_by_rule(question, name).answer for question in asked} == asked


@given(question=st.text(max_size=300), keyword=st.text(max_size=30))
def test_any_text_has_a_verdict(question: str, keyword: str) -> None:
    verdict = answer_by_rule(question, keyword)
    assert verdict.answer in (True, False, None)
    assert (verdict.answer is None) == (verdict.rule == "")


PIECES = sorted({piece for text, _ in WORDINGS for piece in re.findall(r"\w+|\S", text)})


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40), keyword=st.sampled_from(KEYWORDS))
def test_any_mixture_of_the_rules_own_words_has_a_verdict(pieces: list[str], keyword: str) -> None:
    assert answer_by_rule(" ".join(pieces), keyword).answer in (True, False, None)


@given(text=st.sampled_from([text for text, _ in SINGLE]), other=st.sampled_from(["Is it big?", "Can it fly?"]))
def test_beside_another_open_question_a_spelling_question_is_left_alone(text: str, other: str) -> None:
    assert answer_by_rule(f"{other} {text}", "Apple") == NOT_MINE
    assert answer_by_rule(f"{text} {other}", "Apple") == NOT_MINE


UNITS = [
    *(
        "a",
        "keyword ",
        "the keyword ",
        '"',
        "'",
        '" ',
        '"a" ',
        "'a' ",
        "**a** ",
        "(",
        "? ",
        ".",
        "\n",
        "\n- a",
        " ",
        "é",
    ),
    *(
        "does the keyword ",
        "is the first letter of ",
        "the name of the ",
        "secret ",
        "in alphabetical order ",
        "before ",
    ),
    *(
        "a, ",
        "a or ",
        "the letter ",
        "one of the following: ",
        "not ",
        "answer yes if ",
        "example: ",
        "1 ",
        "more than ",
    ),
    *(
        "between a and ",
        "first word of the ",
        "⟨keyword⟩ ",
        "\ue000",
        ">",
        "<= ",
        "does the keyword contain the letter a, ",
    ),
]
HEADS = ["", "Does the keyword contain ", "Is the keyword between "]

HOSTILE = """
import sys
from twenty_questions.rules import LONGEST, answer_by_rule
heads, units = eval(sys.argv[1])
for unit in units:
    assert answer_by_rule((unit * 1_000_000)[:1_000_000], "apple").answer is None
    for head in heads:
        for tail in ("?", " in the keyword?"):
            size = LONGEST - len(head) - len(tail)
            answer_by_rule(head + (unit * size)[:size] + tail, "apple")
"""


def test_hostile_texts_end_soon() -> None:
    # A pattern that backtracks without bound would take longer than the universe has; the bound only has to exist.
    ended = subprocess.run([sys.executable, "-c", HOSTILE, repr((HEADS, UNITS))], check=False, timeout=300)
    assert ended.returncode == 0


def test_the_longest_text_that_is_read() -> None:
    question = "Does the keyword start with the letter a?"
    assert answer_by_rule(" " * (LONGEST - len(question)) + question, "apple").answer is True
    assert answer_by_rule(" " * (LONGEST + 1 - len(question)) + question, "apple") == NOT_MINE


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("more than five", Count(6, None)),
        ("6 or more", Count(6, None)),
        ("at most 3", Count(0, 3)),
        ("fewer than 2", Count(0, 1)),
        ("between 4 and 6", Count(4, 6)),
        ("2-3", Count(2, 3)),
        ("exactly two", Count(2, 2)),
        ("2", Count(2, 2, bare=True)),
        ("multiple", Count(2, None)),
        ("a single", Count(1, 1)),
    ],
)
def test_counts(text: str, count: Count) -> None:
    match = re.fullmatch(COUNT, text)
    assert match is not None
    assert read_count(match) == count


@pytest.mark.parametrize(
    ("text", "members", "joined"),
    [
        ("a, b, c", ("a", "b", "c"), ""),
        ("a, b, or c?", ("a", "b", "c"), "or"),
        ("salt; pepper", ("salt", "pepper"), ""),
        ("['gps', \"golf cart\"]", ("gps", "golf cart"), ""),
        ("\n- a\n- b", ("a", "b"), ""),
        ("\n1. Golf Cart\n2. GPS", ("Golf Cart", "GPS"), ""),
        ("A and B", ("A", "B"), "and"),
        ("a b c", ("a", "b", "c"), ""),
        ("", (), ""),
    ],
)
def test_lists_of_items(text: str, members: tuple[str, ...], joined: str) -> None:
    prompt = read_prompt(f"Is it {text} ?")
    hidden = prompt.asked[0].removeprefix("Is it").removesuffix("?") if "'" in text else text
    items = read_items(hidden, prompt.literals)
    assert (items.texts, items.joined) == (members, joined)
