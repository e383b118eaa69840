"""`tq match`: whole matches of two pairs, in our fast loop or in the contest's own engine."""

from __future__ import annotations

import contextlib
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import typer

from furikaeri_cli.options import BaseUrl, Json, Leanings, Models, PromptName, Quiet, Seed, Table, Weights
from furikaeri_cli.output import Output
from furikaeri_cli.tq.voters import tell_failures
from furikaeri_common.errors import InputError
from twenty_questions.bisection import forms_of
from twenty_questions.kaggle_engine import open_engine
from twenty_questions.match import MatchResult, games_of, play
from twenty_questions.named_words import BUILT_IN, words_named
from twenty_questions.panel import PanelConfig, panel_of
from twenty_questions.players import ASKING_MODELS, KINDS, AgentSpec, build, parse_player, voter_of
from twenty_questions.table import AnswerTable, builtin_table, open_table
from twenty_questions.transcripts import Game, Round, write_games
from twenty_questions.words import Keyword, find

__all__ = ["Played", "TeamFigures", "figures_of", "keyword_named", "match_cli", "play_matches"]

Engine = Literal["fast", "kaggle"]
Referee = Callable[[Sequence[AgentSpec], Keyword], MatchResult]
Team = tuple[str, str]

_ENDINGS = {
    "guessed": "",
    "exhausted": "Nobody finds it.",
    "error": "An agent erred, which ends the match.",
    "fault": "The engine itself fails here (a question named the keyword, or an action could not be copied).",
}
_PLAYER_HELP = f"One of {', '.join(KINDS)}."


class Played(NamedTuple):
    """A match and its keyword."""

    keyword: Keyword
    result: MatchResult


class TeamFigures(NamedTuple):
    """How a pair did over many matches.

    Attributes:
        team: guesser + answerer.
        found: share of matches in which it found the keyword.
        mean_round: of the hits; None without any.
        mean_reward: over the matches that gave its guesser points.
        errors: matches in which one of the pair erred.
    """

    team: str
    found: float
    mean_round: float | None
    mean_reward: float | None
    errors: int


def keyword_named(name: str, table: AnswerTable, words: str) -> Keyword:
    """Return the table's keyword that a name would win against, else the word.

    Args:
        name: what is looked for.
        table: is asked first.
        words: a word list, as `named_words` knows it.

    Raises:
        InputError: if there is none; the message lists the nearest keywords.
    """
    rows = find(name, table.keywords)
    if rows:
        return table.keywords[rows[0]]
    held = words_named(words)
    places = forms_of(held).positions(name).tolist()
    if places:
        spelled = [held.words[place] for place in places]
        return Keyword(next((word for word in spelled if word.lower() == name.lower()), spelled[0]))
    names = {keyword.name.lower(): keyword.name for keyword in table.keywords}
    close = [names[near] for near in difflib.get_close_matches(name.lower(), names, n=5, cutoff=0.5)]
    choices = ", ".join(close or [keyword.name for keyword in table.keywords[:5]])
    raise InputError(
        f"there is no {name!r} among the table's {len(table.keywords):,} keywords and {len(held.words):,} words",
        fix=f"Choose one such as {choices}",
    )


def play_matches(
    teams: tuple[Team, Team],
    keywords: Sequence[Keyword],
    referee: Referee,
    *,
    seed: int,
    table: Path | None,
    words: str = BUILT_IN,
    panel: PanelConfig | None = None,
) -> Iterator[Played]:
    """Play one match for each keyword; every agent of every match has a seed of its own.

    Args:
        teams: guesser and answerer of each, as `players.parse_player` reads them.
        keywords: the secrets.
        referee: plays a match.
        seed: of everything.
        table: the table folder of the agents; None for the built-in one.
        words: the words that they can guess besides the table's (see `named_words`).
        panel: the models of agents that ask models.

    Raises:
        InputError: if there is no such agent.
        FurikaeriError: if a model cannot be opened.
    """
    names = [name for team in teams for name in team]
    for number, keyword in enumerate(keywords):
        seeds = np.random.default_rng([seed, number]).integers(2**31, size=4)
        agents = [
            parse_player(name, seed=int(own), table=table, words=words, panel=panel)
            for name, own in zip(names, seeds, strict=True)
        ]
        yield Played(keyword, referee(agents, keyword))


def figures_of(matches: Sequence[Played], teams: tuple[Team, Team]) -> tuple[TeamFigures, ...]:
    """Return the figures of both pairs over at least one match."""
    figures = []
    for pair, team in enumerate(teams):
        results = [match.result for match in matches]
        rewards = [result.rewards[2 * pair] for result in results]
        hits = [
            len(result.pairs[pair])
            for result, reward in zip(results, rewards, strict=True)
            if result.reason == "guessed" and reward
        ]
        points = [reward for reward in rewards if reward is not None]
        figures.append(
            TeamFigures(
                team=" + ".join(team),
                found=len(hits) / len(results),
                mean_round=float(np.mean(hits)) if hits else None,
                mean_reward=float(np.mean(points)) if points else None,
                errors=sum(None in result.rewards[2 * pair : 2 * pair + 2] for result in results),
            )
        )
    return tuple(figures)


@contextlib.contextmanager
def _referee(engine: Engine, output: Output) -> Iterator[Referee]:
    if engine == "fast":
        yield lambda agents, keyword: play([build(agent) for agent in agents], keyword)
        return
    output.note("The contest's engine takes some 20 s to start.")
    with open_engine() as kaggle:
        yield lambda agents, keyword: kaggle.play(agents, keyword).result


def match_cli(
    engine: Annotated[
        Engine, typer.Option("--engine", help="Who referees: our loop, or the contest's engine.")
    ] = "fast",
    guesser: Annotated[str, typer.Option("--guesser", metavar="AGENT", help=_PLAYER_HELP)] = "ours",
    answerer: Annotated[str, typer.Option("--answerer", metavar="AGENT", help="Its partner.")] = "ours",
    guesser2: Annotated[
        str, typer.Option("--guesser2", metavar="AGENT", help="The other pair's; by default the same.")
    ] = "",
    answerer2: Annotated[
        str, typer.Option("--answerer2", metavar="AGENT", help="The other pair's; by default the same.")
    ] = "",
    keyword: Annotated[
        str, typer.Option("--keyword", metavar="NAME", help="The secret; by default drawn from the table's prior.")
    ] = "",
    games: Annotated[int, typer.Option("--games", min=1, help="How many matches.")] = 1,
    model: Models = None,
    base_url: BaseUrl = None,
    weights: Weights = "full",
    prompt: PromptName = "original",
    leanings: Leanings = None,
    table: Table = None,
    words: Annotated[
        str,
        typer.Option(
            "--words",
            metavar="FILE",
            help=f"What can be guessed besides the table's keywords: a vocabulary, a text file, or `{BUILT_IN}`.",
        ),
    ] = BUILT_IN,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep the games in a file, for `tq replay`.")
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play whole matches: two pairs of guesser and answerer, one keyword, 20 rounds.

    One match is shown round by round, several as a summary. Both engines give the same result on the same seed.

    Examples:
        tq match --keyword kettle
        tq match --answerer alpha --answerer2 noisy:0.1 --games 100
        tq match --guesser plain --answerer llm-only --model qwen2.5-coder-1.5b-instruct-q4_k_m
        tq match --guesser2 my_agent.py --engine kaggle --json
    """
    output = Output.choose(json=json, quiet=quiet)
    teams = ((guesser, answerer), (guesser2 or guesser, answerer2 or answerer))
    panel = panel_of(
        list(model or ()), base_url=tuple(base_url or ()), weights=weights, prompt=prompt, leanings=str(leanings or "")
    )
    named = {parse_player(name, panel=panel).kind for team in teams for name in team}
    asking = not named.isdisjoint(ASKING_MODELS)
    if asking and engine != "fast":
        raise InputError("agents that ask models play in our own loop alone", fix="Drop --engine kaggle")
    if panel is not None and not asking:
        raise InputError("no agent here asks the models", fix="Name one that does: --answerer llm or llm-only")
    held = builtin_table() if table is None else open_table(table)
    if keyword:
        secrets = [keyword_named(keyword, held, words)] * games
    else:
        secrets = [
            held.keywords[row] for row in np.random.default_rng(seed).choice(len(held.prior), games, p=held.prior)
        ]
    with _referee(engine, output) as referee:
        played = play_matches(teams, secrets, referee, seed=seed, table=table, words=words, panel=panel)
        matches = _counted(played, games, output)
    _show(matches, teams, output, engine=engine, seed=seed)
    if panel is not None:
        voter = voter_of(panel)
        output.note(f"Models answered {voter.num_votes:,} questions; rules and the table the others.")
        tell_failures(voter, output)
    if save is not None:
        write_games(save, [game for match in matches for game in _games(match, teams)])
        output.note(f"Kept {2 * games} games in {save}")


def _counted(matches: Iterator[Played], total: int, output: Output) -> list[Played]:
    """Play them all, saying at every tenth how far we are when there are many."""
    played = []
    for match in matches:
        played.append(match)
        if total >= 50 and len(played) % (total // 10) == 0:
            output.note(f"matches: {len(played)} of {total}")
    return played


def _games(match: Played, teams: tuple[Team, Team]) -> tuple[Game, Game]:
    first, second = (" + ".join(team) for team in teams)
    return games_of(match.result, match.keyword, (f"{first} (first pair)", f"{second} (second pair)"))


def _show(matches: Sequence[Played], teams: tuple[Team, Team], output: Output, *, engine: Engine, seed: int) -> None:
    figures = figures_of(matches, teams)
    if output.is_json:
        output.result(
            {
                "engine": engine,
                "seed": seed,
                "teams": [pair._asdict() for pair in figures],
                "matches": [_document(match, teams) for match in matches],
            }
        )
    elif len(matches) == 1:
        _show_match(matches[0], teams, output)
    else:
        output.table(
            ("pair", "found", "mean round", "mean reward", "errors"),
            [tuple(pair) for pair in figures],
            title=f"{len(matches)} matches",
        )
        reasons = Counter(match.result.reason for match in matches)
        output.note("endings: " + ", ".join(f"{reason} {count}" for reason, count in reasons.most_common()))


def _document(match: Played, teams: tuple[Team, Team]) -> dict[str, Any]:
    return {
        "keyword": match.keyword.name,
        "reason": match.result.reason,
        "rewards": match.result.rewards,
        "statuses": match.result.statuses,
        "games": _games(match, teams),
    }


def _show_match(match: Played, teams: tuple[Team, Team], output: Output) -> None:
    output.show(f"The keyword is {match.keyword.name}.")
    for pair, (game, team) in enumerate(zip(_games(match, teams), teams, strict=True)):
        output.show(f"\n{' + '.join(team)}")
        output.table(("round", "question", "answer", "guess"), _rows(game.rounds))
        output.show(_verdict(match.result, pair))
    if ending := _ENDINGS[match.result.reason]:
        output.show(f"\n{ending}")


def _rows(rounds: Sequence[Round]) -> list[tuple[int, str, str, str]]:
    return [
        (number, said.question or "", said.answer or "", said.guess or "")
        for number, said in enumerate(rounds, start=1)
    ]


def _verdict(result: MatchResult, pair: int) -> str:
    seats = slice(2 * pair, 2 * pair + 2)
    rewards, statuses = result.rewards[seats], result.statuses[seats]
    if result.reason == "guessed":
        return (
            f"found in round {len(result.pairs[pair])}: {rewards[0]} points each"
            if rewards[0]
            else "not found: 0 points"
        )
    told = (
        f"{role} {'no points' if reward is None else reward} ({status.lower()})"
        for role, reward, status in zip(("guesser", "answerer"), rewards, statuses, strict=True)
    )
    return ", ".join(told)
