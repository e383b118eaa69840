"""The programs `tq`, `isic` and `furikaeri`: this file only assembles them.

To add a command, write `cli/src/furikaeri_cli/tq/match.py` with a plain function `match()` that works without any
terminal and `match_cli()` that parses, calls it and prints through `Output`; then add one line to the table below:

    Command("match", "furikaeri_cli.tq.match", "match_cli", "Play whole matches between agents."),

The module is imported only when the command runs or its own help is asked. The signature of `match_cli` is its
options (shared ones in `options`), its docstring its help, which ends with a paragraph `Examples:`. Settings files,
environment variables, `--debug` and exit codes come by themselves.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from furikaeri_cli.commands import Command, Group, build
from furikaeri_cli.failures import guarded, wants_debug

__all__ = ["FURIKAERI", "ISIC", "TQ", "furikaeri", "isic", "run", "tq"]

TQ = Group(
    "tq",
    "20 Questions: play, watch and study the game.",
    (
        Command("play", "furikaeri_cli.tq.play", "play_cli", "Play against the machine, either way round."),
        Command("match", "furikaeri_cli.tq.match", "match_cli", "Play whole matches between agents."),
        Command("replay", "furikaeri_cli.tq.replay", "replay_cli", "Show any game again, with the best guesses."),
        Command("simulate", "furikaeri_cli.tq.simulate", "simulate_cli", "Play many games and report figures."),
        Group(
            "table",
            "What an answer table holds, and how it is built.",
            (
                Command("info", "furikaeri_cli.tq.table", "info_cli", "Tell what a table holds."),
                Command("show", "furikaeri_cli.tq.table", "show_cli", "Show a keyword's answers, or a question's."),
                Command("check", "furikaeri_cli.tq.table", "check_cli", "Check a table and report its quality."),
                Command("build", "furikaeri_cli.tq.table", "build_cli", "Build a table from readable knowledge."),
            ),
        ),
        Group(
            "precompute",
            "Make keyword lists, questions, and a table of answers, with language models.",
            (
                Command(
                    "all", "furikaeri_cli.tq.precompute_all", "all_cli", "Run a whole recipe, from words to a table."
                ),
                Command(
                    "plan", "furikaeri_cli.tq.precompute_plan", "plan_cli", "Tell what a recipe takes before it is run."
                ),
                Command(
                    "vocabulary",
                    "furikaeri_cli.tq.precompute_vocabulary",
                    "precompute_vocabulary_cli",
                    "Make a large vocabulary with a learned prior.",
                ),
                Command(
                    "table",
                    "furikaeri_cli.tq.precompute_table",
                    "precompute_table_cli",
                    "Label all pairs with language models into a table.",
                ),
                Command(
                    "gold",
                    "furikaeri_cli.tq.precompute_gold",
                    "precompute_gold_cli",
                    "Make a gold set by votes of a stronger model.",
                ),
                Group(
                    "keywords",
                    "Lists of things that can be the secret.",
                    (
                        Command(
                            "wordnet",
                            "furikaeri_cli.tq.precompute_keywords",
                            "wordnet_cli",
                            "List everything below a synset of WordNet.",
                        ),
                        Command(
                            "neighbours",
                            "furikaeri_cli.tq.precompute_keywords",
                            "neighbours_cli",
                            "List the neighbours of known words.",
                        ),
                        Command(
                            "llm",
                            "furikaeri_cli.tq.precompute_keywords_llm",
                            "llm_cli",
                            "Let a language model write keywords like known ones.",
                        ),
                        Command(
                            "file",
                            "furikaeri_cli.tq.precompute_keywords",
                            "file_cli",
                            "Merge lists, or convert one.",
                        ),
                        Command(
                            "evaluate",
                            "furikaeri_cli.tq.precompute_keywords_evaluate",
                            "evaluate_cli",
                            "Report recall and precision by count.",
                        ),
                    ),
                ),
                Group(
                    "questions",
                    "Where questions come from, and which to keep.",
                    (
                        Command(
                            "letters",
                            "furikaeri_cli.tq.precompute_questions",
                            "letters_cli",
                            "List the questions of spelling.",
                        ),
                        Command(
                            "mine",
                            "furikaeri_cli.tq.precompute_questions",
                            "mine_cli",
                            "Collect the questions of recorded games.",
                        ),
                        Command(
                            "llm",
                            "furikaeri_cli.tq.precompute_questions_llm",
                            "llm_cli",
                            "Have a language model write questions.",
                        ),
                        Command(
                            "merge",
                            "furikaeri_cli.tq.precompute_questions",
                            "merge_cli",
                            "Join lists without near-duplicates.",
                        ),
                        Command(
                            "rank",
                            "furikaeri_cli.tq.precompute_questions_rank",
                            "rank_cli",
                            "Keep what adds most information.",
                        ),
                    ),
                ),
            ),
        ),
        Group(
            "evaluate",
            "What answerers, guessers and whole games are worth.",
            (
                Command(
                    "answerer",
                    "furikaeri_cli.tq.evaluate_answerer",
                    "evaluate_answerer_cli",
                    "Measure models as answerers on a gold set.",
                ),
                Command(
                    "vocabulary",
                    "furikaeri_cli.tq.evaluate_vocabulary",
                    "evaluate_vocabulary_cli",
                    "Count known things among a vocabulary's names.",
                ),
                Command(
                    "guesser",
                    "furikaeri_cli.tq.evaluate_guesser",
                    "evaluate_guesser_cli",
                    "Measure strategies with partners of every kind.",
                ),
                Command(
                    "games",
                    "furikaeri_cli.tq.evaluate_games",
                    "evaluate_games_cli",
                    "Measure players by the games that they played.",
                ),
            ),
        ),
        Group(
            "agent",
            "The agent for the contest.",
            (Command("pack", "furikaeri_cli.tq.agent", "pack_cli", "Pack the agent as a submission, and prove it."),),
        ),
    ),
)

ISIC = Group(
    "isic",
    "Skin lesion triage from 3D total body photography.",
    (
        Command("run", "furikaeri_cli.isic.run", "run_cli", "Run the whole chain, from raw data to a submission."),
        Command("plan", "furikaeri_cli.isic.plan", "plan_cli", "Tell what a run takes before it is begun."),
        Group(
            "data",
            "Data folders of the contest's form.",
            (
                Command("check", "furikaeri_cli.isic.data_check", "check_cli", "Check a folder before training on it."),
                Command("synth", "furikaeri_cli.isic.data_synth", "synth_cli", "Make a data folder up, at any size."),
                Command("import", "furikaeri_cli.isic.data_import", "import_cli", "Make a data folder of pictures."),
            ),
        ),
        Command("folds", "furikaeri_cli.isic.folds", "folds_cli", "Deal lesions into folds for every model."),
        Command("features", "furikaeri_cli.isic.features", "features_cli", "Compute what table models learn from."),
        Command("train-table", "furikaeri_cli.isic.train_table", "train_table_cli", "Train table models in rounds."),
        Command("train-image", "furikaeri_cli.isic.train_image", "train_image_cli", "Train image models in rounds."),
        Command(
            "predict-image",
            "furikaeri_cli.isic.predict_image",
            "predict_image_cli",
            "Score pictures with image models.",
        ),
        Command("explain", "furikaeri_cli.isic.explain", "explain_cli", "Show where an image model looks."),
        Command("stack", "furikaeri_cli.isic.stack", "stack_cli", "Make one score out of many models'."),
        Command("predict", "furikaeri_cli.isic.predict", "predict_cli", "Score lesions with a finished run."),
        Command("score", "furikaeri_cli.isic.score", "score_cli", "Score a submission as the contest does."),
        Command("report", "furikaeri_cli.isic.report", "report_cli", "Write what scores are worth as one page."),
        Command("pack", "furikaeri_cli.isic.pack", "pack_cli", "Pack a finished run for use offline, and prove it."),
    ),
)

RUNS = Group(
    "runs",
    "What was run, with what, and what came out.",
    (
        Command("list", "furikaeri_cli.runs", "list_cli", "List the runs below a folder."),
        Command("show", "furikaeri_cli.runs", "show_cli", "Show one run in full."),
        Command("compare", "furikaeri_cli.runs", "compare_cli", "Lay runs side by side."),
        Command("prune", "furikaeri_cli.pruning", "prune_cli", "Delete runs that are no longer wanted."),
    ),
)

MODELS = Group(
    "models",
    "Models on this machine.",
    (
        Command("list", "furikaeri_cli.models", "list_cli", "List the models that are here."),
        Command("show", "furikaeri_cli.models", "show_cli", "Show what a model is, and how it would load here."),
        Command("remove", "furikaeri_cli.models", "remove_cli", "Delete a model that is no longer wanted."),
    ),
)

FURIKAERI = Group(
    "furikaeri",
    "Two Kaggle gold-medal solutions as real software: 20 Questions (tq) and ISIC 2024 (isic).",
    (
        TQ,
        ISIC,
        RUNS,
        MODELS,
        Command("bench", "furikaeri_cli.bench.command", "bench_cli", "Run every benchmark, and compare two runs."),
        Command("demo", "furikaeri_cli.demo", "demo_cli", "Show the main job end to end, on what ships with it."),
        Command("doctor", "furikaeri_cli.doctor", "doctor_cli", "Say what is here, what is not, and what mends it."),
    ),
)

_PROGRAMS = {group.name: group for group in (TQ, ISIC, FURIKAERI)}


def run(program: str, arguments: Sequence[str]) -> int:
    """Run a program in this process and return its exit code.

    Args:
        program: "tq", "isic" or "furikaeri".
        arguments: what follows it on the command line.
    """

    def work() -> None:
        command = build(_PROGRAMS[program], FURIKAERI, version=_version)
        if f"_{program.upper()}_COMPLETE" in os.environ:
            command.main(list(arguments), prog_name=program)
        with command.make_context(program, list(arguments)) as context:
            command.invoke(context)

    return guarded(work, program=program, debug=wants_debug(arguments))


def tq() -> int:
    """Run `tq`, the console script."""
    return _script("tq")


def isic() -> int:
    """Run `isic`, the console script."""
    return _script("isic")


def furikaeri() -> int:
    """Run `furikaeri`, the console script with everything."""
    return _script("furikaeri")


def _script(program: str) -> int:
    # A polite kill ends a command as Ctrl-C does, even where Ctrl-C is ignored, as in a script's background jobs.
    signal.signal(signal.SIGTERM, _interrupt)
    return run(program, sys.argv[1:])


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _version() -> str:
    from importlib.metadata import version

    return f"furikaeri {version('furikaeri-cli')}"
