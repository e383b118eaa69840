"""The contest's agent: it plays, and nothing that it is shown can make it break a rule."""

from __future__ import annotations

import itertools
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from twenty_questions import agent as agent_module
from twenty_questions import guesser as table_guesser
from twenty_questions.agent import Seen, make_agent, read_observation
from twenty_questions.bisection import word_list
from twenty_questions.guesser import GuesserConfig
from twenty_questions.joint import guesser as joint_guesser
from twenty_questions.joint.config import JointConfig
from twenty_questions.match import Observation, play
from twenty_questions.questions import HANDSHAKE, Question
from twenty_questions.table import UNCERTAIN, AnswerTable
from twenty_questions.understanding import Wording
from twenty_questions.words import Keyword, matches, names_match

FUZZED = {GuesserConfig(): 4000, JointConfig(): 1000}
WORDS = word_list([f"word{number:03}" for number in range(500)])


@pytest.fixture(scope="module", params=[GuesserConfig(), JointConfig()], ids=["table", "one belief"])
def config(request):
    """How the guesser plays."""
    return request.param


@pytest.fixture(scope="module")
def toy_agent(toy_table, config):
    return make_agent(toy_table, config, seed=5)


def seen_by_guesser(questions=(), answers=(), guesses=(), turn="ask") -> Observation:
    return Observation(
        questions=list(questions), answers=list(answers), guesses=list(guesses), role="guesser", turnType=turn,
        keyword="", category="", step=0, remainingOverageTime=300,
    )  # fmt: skip


def seen_by_answerer(question: str, keyword: str) -> Observation:
    return Observation(
        questions=[question], answers=[], guesses=[], role="answerer", turnType="answer", keyword=keyword
    )


@pytest.fixture
def no_plain_action(monkeypatch) -> None:
    """Let what goes wrong inside the agent come out."""

    def fail(seen: Seen, table: AnswerTable) -> str:
        raise AssertionError("fell back on the plain action")

    monkeypatch.setattr(agent_module, "_plain_action", fail)


@pytest.mark.usefixtures("no_plain_action")
@pytest.mark.parametrize(
    ("config", "opens"),
    [
        (GuesserConfig(), True),
        (GuesserConfig(handshake=False), False),
        (JointConfig(opening="handshake"), True),
        (JointConfig(), None),
    ],
)
def test_it_finds_every_keyword_with_itself_as_partner(toy_table, config, opens) -> None:
    pair = make_agent(toy_table, config, seed=1)
    for keyword in toy_table.keywords:
        result = play([pair] * 4, keyword)
        assert result.reason == "guessed"
        assert result.rewards[0] >= 9
        assert result.pairs[0] == result.pairs[1]
        if opens is not None:
            assert (result.pairs[0][0].question == HANDSHAKE.text) == opens


@pytest.mark.usefixtures("no_plain_action")
def test_it_plays_on_to_the_last_round_with_a_partner_who_lies(toy_table, config) -> None:
    pair = [make_agent(toy_table, config) for _ in range(2)]
    liar = play([pair[0], lambda: "yes", pair[1], lambda: "no"], Keyword("Nothing there"))
    assert liar.reason == "exhausted"
    for transcript in liar.pairs:
        guesses = [number.guess for number in transcript]
        assert not any(names_match(a, b) for a, b in itertools.combinations(guesses, 2))
        questions = [number.question for number in transcript]
        assert len(set(questions)) == 20


def test_a_move_depends_on_the_observation_alone(toy_table, toy_agent, config) -> None:
    log: list[tuple[Observation, str]] = []

    def logging(observation: Observation, configuration: Observation) -> str:
        log.append((observation, toy_agent(observation, configuration)))
        return log[-1][1]

    play([logging] * 4, toy_table.keywords[17])
    fresh = make_agent(toy_table, config, seed=5)
    assert [fresh(observation, None) for observation, _ in reversed(log)] == [said for _, said in reversed(log)]


def test_it_finds_words_that_the_table_lacks(toy_table, config) -> None:
    pair = [make_agent(toy_table, config, words=WORDS), make_agent(toy_table)]
    assert play(pair * 2, Keyword("word123")).reason == "guessed"


def test_by_one_belief_it_finds_the_table_keywords_among_other_words(toy_table) -> None:
    pair = make_agent(toy_table, JointConfig(), words=WORDS)
    for partner in (pair, make_agent(toy_table, JointConfig(), seed=3)):
        assert play([pair, partner] * 2, toy_table.keywords[0]).reason == "guessed"


def test_the_words_are_made_ready_by_the_first_question_and_not_for_answers(toy_table, monkeypatch) -> None:
    made = []
    strategy_of = agent_module.strategy_of
    monkeypatch.setattr(agent_module, "strategy_of", lambda *given: made.append(given) or strategy_of(*given))
    agent = make_agent(toy_table, JointConfig(), words=WORDS)
    agent(seen_by_answerer("Is it Agent Alpha?", "otter"), None)
    assert not made
    for _ in range(2):
        agent(seen_by_guesser(), None)
    assert made == [(toy_table, JointConfig(), WORDS)]


@pytest.mark.parametrize(
    ("question", "keyword", "answer"),
    [
        ("Is it Agent Alpha?", "otter", "yes"),
        ('Does the keyword start with the letter "o"?', "Otter", "yes"),
        ('Does the keyword (in lowercase) precede "mango" in alphabetical order?', "otter", "no"),
        ("Is it a kind of animal?", "otter", "yes"),
        ("IS IT A KIND OF ANIMAL? ", "River Otters", "yes"),
        ("Is it a kind of tool?", "otter", "no"),
        ("Would you call it some kind of animal?", "otter", "yes"),
        ("Has it won a prize for poetry?", "otter", "no"),
        ("Is it a kind of animal?", "unheard of", "no"),
        ("", "otter", "no"),
        ("Is it a kind of animal?", "", "no"),
        ("Is it Agent Alpha?", "", "yes"),
    ],
)
@pytest.mark.usefixtures("no_plain_action")
def test_what_it_answers(toy_agent, question, keyword, answer) -> None:
    assert toy_agent(seen_by_answerer(question, keyword), None) == answer


def test_other_wordings_and_the_fallback_are_asked_in_turn(toy_table) -> None:
    asked = []

    def fallback(question: str, keyword: str) -> bool | None:
        asked.append((question, keyword))
        return True if "poetry" in question else None

    column = next(column for column, question in enumerate(toy_table.questions) if question.key == "animal")
    wordings = [Wording(column, "Does it breathe?"), Wording(column, "Is it lifeless matter?", opposite=True)]
    agent = make_agent(toy_table, wordings=wordings, fallback=fallback)
    assert agent(seen_by_answerer("Does it breathe?", "otter"), None) == "yes"
    assert agent(seen_by_answerer("Is it lifeless matter?", "otter"), None) == "no"
    assert asked == []
    assert agent(seen_by_answerer("Is it fond of poetry?", "otter"), None) == "yes"
    assert agent(seen_by_answerer("Is it fond of opera?", "otter"), None) == "no"
    assert asked == [("Is it fond of poetry?", "otter"), ("Is it fond of opera?", "otter")]


def test_a_cell_that_leans_neither_way_is_left_to_the_fallback(toy_table) -> None:
    row, column = np.argwhere(toy_table.codes == UNCERTAIN)[0]
    question, keyword = toy_table.questions[column].text, toy_table.keywords[row].name
    for told, said in ((True, "yes"), (False, "no"), (None, "no")):
        agent = make_agent(toy_table, fallback=lambda question, keyword, told=told: told)
        assert agent(seen_by_answerer(question, keyword), None) == said


@pytest.mark.usefixtures("no_plain_action")
@pytest.mark.parametrize("config", [GuesserConfig(handshake=False), JointConfig()])
def test_a_wrong_guess_rules_out_whatever_has_that_name(toy_table, config) -> None:
    otter = toy_table.codes[1]
    history = [
        (question.text, "yes" if code > UNCERTAIN else "no")
        for question, code in zip(toy_table.questions, otter, strict=True)
        if code != UNCERTAIN
    ]
    questions, answers = zip(*history, strict=True)
    agent = make_agent(toy_table, config)
    assert agent(seen_by_guesser(questions, answers, [], "guess"), None) == "otter"
    assert agent(seen_by_guesser(questions, answers, ["The river otters"], "guess"), None) != "otter"


def test_a_fallback_that_raises_is_a_no(toy_table) -> None:
    def fallback(question: str, keyword: str) -> bool | None:
        raise RuntimeError("the model is gone")

    agent = make_agent(toy_table, fallback=fallback)
    assert agent(seen_by_answerer("Is it fond of poetry?", "otter"), None) == "no"


def test_whose_turn_it_is_without_a_turn_type() -> None:
    def turn(**fields: object) -> str:
        return read_observation(fields).turn

    assert turn(role="guesser", questions=["a"], guesses=["b"]) == "ask"
    assert turn(role="guesser", questions=["a"], guesses=[]) == "guess"
    assert turn(role="guesser", turnType="think") == "ask"
    assert turn(role="answerer", questions=["a"]) == "answer"
    assert turn(questions=["a"]) == "answer"
    assert turn(role="answerer", turnType="guess") == "guess"


def test_what_is_not_text_counts_as_not_there() -> None:
    seen = read_observation(
        SimpleNamespace(
            turnType="guess", role="guesser", keyword=3, questions=["a?", None, "c?", "d?"],
            answers=["YES, it is", "no", "what?"], guesses=[7, "b", ""],
        )
    )  # fmt: skip
    assert seen.events == (("a?", "yes"), ("b", None), ("c?", "unknown"))
    assert (seen.guesses, seen.question, seen.keyword) == (("b",), "d?", "")


def awkward_table(toy_table: AnswerTable) -> AnswerTable:
    """Two keywords whose names cannot be guessed or are questions."""
    long_name, asked_name = "a" * 101, toy_table.questions[0].text.upper()
    keywords = (Keyword(long_name), Keyword(asked_name), Keyword("the"), *toy_table.keywords[3:])
    return AnswerTable(keywords, toy_table.questions, toy_table.codes, toy_table.prior)


JUNK = (
    "",
    " ",
    None,
    3,
    2.5,
    b"yes",
    ["otter"],
    {"a": 1},
    "x" * 5000,
    "né ñandú 🦦",
    "\udc80",
    "yes" * 400,
    "the",
    "?!",
    "s",
)
SAID = ("yes", "no", "maybe", "none", "Yes.", "I do not know", "probably")


def random_observation(rng: np.random.Generator, table: AnswerTable) -> Any:
    """An observation as the engine never sends it, more or less."""
    texts = [question.text for question in table.questions] + [HANDSHAKE.text] * 9
    texts += [f'Does the keyword (in lowercase) precede "{word}" in alphabetical order?' for word in ("m", "otter", "")]
    names = [name for keyword in table.keywords for name in (*keyword.names, f"the {keyword.name}s")]

    def pick(choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    def some(usual: Any, number: int, junk: float) -> list[Any]:
        return [pick(JUNK) if rng.random() < junk else pick(usual) for _ in range(number)]

    length = int(rng.choice([0, 1, 2, 5, 9, 19, 20, 40, 90], p=[0.1, 0.1, 0.15, 0.2, 0.15, 0.15, 0.05, 0.05, 0.05]))
    junk = float(rng.choice([0, 0.1, 0.6]))
    fields: dict[str, Any] = {
        name: some(usual, max(0, length + int(rng.integers(-2, 3))), junk)
        for name, usual in (("questions", texts), ("answers", SAID), ("guesses", names))
    }
    fields |= {
        "role": pick(["guesser", "guesser", "answerer"]),
        "turnType": pick(["ask", "guess", "guess", "answer"]),
        "keyword": pick([*names, "gasometer"]),
        "category": "things",
        "step": int(rng.integers(60)),
        "remainingOverageTime": 300,
    }
    for name in list(fields):
        match rng.integers(0, 30 if junk else 10_000):
            case 0:
                del fields[name]
            case 1:
                fields[name] = pick(JUNK)
    return pick([fields, Observation(fields), SimpleNamespace(**fields)]) if rng.random() < 0.98 else pick(JUNK)


def broken_rules(observation: Any, action: object, guess: object, table: AnswerTable) -> list[str]:
    """What a move does that it must not."""

    def field(name: str) -> Any:
        return observation.get(name) if isinstance(observation, dict) else getattr(observation, name, None)

    broken = []
    if not isinstance(action, str) or not action.strip():
        return ["no text"]
    turn = field("turnType")
    if len(action) > 750 or (turn == "guess" and len(action) > 100):
        broken.append("too long")
    if turn == "answer" and action not in ("yes", "no"):
        broken.append("not an answer")
    if turn == "ask" and any(matches(action, keyword) for keyword in table.keywords):
        broken.append("asks a keyword")
    if turn == "ask" and names_match(action, str(guess)):
        broken.append("asks its guess")
    earlier = field("guesses")
    if turn == "guess" and isinstance(earlier, list):
        broken += [
            f"guesses {old!r} again" for old in earlier if isinstance(old, str) and old and names_match(action, old)
        ]
    return broken


@pytest.mark.parametrize("kind", ["toy", "awkward"])
def test_no_observation_makes_it_break_a_rule(toy_table, kind, config, monkeypatch) -> None:
    table = toy_table if kind == "toy" else awkward_table(toy_table)
    agent = make_agent(table, config, seed=2)
    plain = agent_module._plain_action
    fell_back: Counter[str] = Counter()

    def counting(seen: Seen, table: AnswerTable) -> str:
        fell_back[seen.turn] += 1
        return plain(seen, table)

    monkeypatch.setattr(agent_module, "_plain_action", counting)
    for number in range(FUZZED[config]):
        observation = random_observation(np.random.default_rng([number, len(kind)]), table)
        action = agent(observation, None)
        asks = isinstance(observation, dict) and observation.get("turnType") == "ask"
        guess = agent({**observation, "turnType": "guess"}, None) if asks else ""
        assert broken_rules(observation, action, guess, table) == [], observation
    assert sum(fell_back.values()) == 0


class Hostile:
    """An observation that cannot even be looked at."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


def test_an_observation_that_is_none_gets_a_no(toy_agent) -> None:
    for observation in (Hostile(), None, 7, "ask", [], {}):
        assert toy_agent(observation, None) == "no"


@pytest.mark.parametrize("turn", ["ask", "guess", "answer"])
def test_whatever_breaks_inside_there_is_an_action(toy_table, config, monkeypatch, turn) -> None:
    def broken(*arguments: object) -> None:
        raise MemoryError

    for module in (table_guesser, joint_guesser):
        for name in ("start", "observe", "choose_question", "choose_guess"):
            monkeypatch.setattr(module, name, broken)
    monkeypatch.setattr(agent_module, "answer", broken)
    guesses = [keyword.name for keyword in toy_table.keywords[:5]]
    observation = seen_by_guesser(["Is it a kind of tool?"], ["no"], guesses, turn)
    action = make_agent(toy_table, config)(observation, None)
    assert broken_rules(observation, action, "", toy_table) == []
    if turn == "guess":
        assert action == toy_table.keywords[5].name


def test_when_every_keyword_was_guessed_it_makes_up_names(toy_table, toy_agent) -> None:
    guesses = [keyword.name for keyword in toy_table.keywords]
    for _ in range(5):
        action = toy_agent(seen_by_guesser(["a?"] * 60, ["no"] * 60, guesses, "guess"), None)
        assert action
        assert not any(names_match(action, guess) for guess in guesses)
        guesses.append(action)


def test_a_question_that_is_a_keyword_is_never_asked(toy_table) -> None:
    """The contest's engine fails if a question equals the keyword."""
    names = [question.text for question in toy_table.questions[:-1]]
    keywords = tuple(Keyword(name) for name in names) + toy_table.keywords[len(names) :]
    table = AnswerTable(keywords, toy_table.questions, toy_table.codes, toy_table.prior)
    agent = make_agent(table, GuesserConfig(handshake=False))
    assert agent(seen_by_guesser(), None) == toy_table.questions[-1].text
    believing = make_agent(table, JointConfig(letters=False, lists=False), words=WORDS)
    for partner in (lambda: "yes", lambda: "no"):
        result = play([believing, partner] * 2, Keyword("Nothing there"))
        assert result.reason == "exhausted"
        asked = [number.question for number in result.pairs[0]]
        assert len(set(asked)) == 20
        assert not any(matches(text, keyword) for text in asked for keyword in keywords)


def test_the_only_question_is_not_asked_if_it_is_a_keyword_or_the_guess() -> None:
    codes = np.array([[254], [0]], np.uint8)
    for name, words in (("Otters?", None), ("Beast!", word_list(["beast"]))):
        table = AnswerTable((Keyword("wolf"), Keyword("otter")), (Question("only", name),), codes, np.array([0.9, 0.1]))
        agent = make_agent(table, GuesserConfig(letters=False), words=words)
        observation = seen_by_guesser([HANDSHAKE.text], ["yes" if words else "no"], ["nothing"])
        assert agent({**observation, "turnType": "guess"}, None) == ("beast" if words else "wolf")
        assert agent(observation, None) not in (name, "")


def test_the_built_in_agent_plays_by_one_belief_over_the_vocabulary(monkeypatch) -> None:
    monkeypatch.setattr(agent_module, "builtin_vocabulary", lambda: WORDS)
    agent_module._builtin_agent.cache_clear()
    try:
        assert agent_module.agent(seen_by_guesser()).endswith("?")
        assert agent_module.agent(seen_by_answerer("Is it Agent Alpha?", "Kettle")) == "yes"
        observation = seen_by_guesser([HANDSHAKE.text], ["no"], ["nothing"])
        assert agent_module.agent(observation).endswith("?")
        assert play([agent_module.agent] * 4, Keyword("word321")).reason == "guessed"
    finally:
        agent_module._builtin_agent.cache_clear()
