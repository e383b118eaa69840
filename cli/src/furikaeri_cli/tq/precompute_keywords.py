"""`tq precompute keywords`: lists of things that can be the secret, out of WordNet, of neighbours and of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from furikaeri_cli.options import Device, Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_cli.tq.asking import Embeddings
from furikaeri_cli.tq.word_lists import (
    LIST_HELP,
    Against,
    Cap,
    Exclude,
    Given,
    Least,
    Limit,
    Out,
    Smoothing,
    TrainShare,
    finish,
    known_words,
    shaping_for,
)
from furikaeri_common.errors import InputError
from twenty_questions.sources.keyword_lists import KeywordList
from twenty_questions.sources.merging import merge_lists, merge_samples
from twenty_questions.sources.named_lists import read_named_list
from twenty_questions.sources.shaping import shaped
from twenty_questions.sources.wordnet import read_wordnet
from twenty_questions.sources.wordnet_lists import PHYSICAL, words_below, words_near
from twenty_questions.words import Keyword

__all__ = ["file_cli", "neighbours_cli", "wordnet_cli"]

_WordNet = Annotated[
    Path | None, typer.Option("--wordnet", metavar="DIR", help="A WordNet folder instead of the machine's.")
]
_Lemmas = Annotated[
    Literal["first", "all"], typer.Option("--lemmas", help="A meaning's first word, or all its synonyms.")
]


def wordnet_cli(
    out: Out,
    synset: Annotated[str, typer.Option("--synset", help="Take everything below this synset.")] = PHYSICAL,
    lemmas: _Lemmas = "first",
    instances: Annotated[bool, typer.Option("--instances", help="Also single persons, places and works.")] = False,
    wordnet: _WordNet = None,
    least: Least = 1,
    smoothing: Smoothing = 0.0,
    limit: Limit = 0,
    cap: Cap = None,
    exclude: Exclude = None,
    against: Against = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List everything below a synset of WordNet; a word's count is the number of its meanings there.

    Examples:
        tq precompute keywords wordnet keywords.jsonl
        tq precompute keywords wordnet animals.jsonl --synset animal.n.01 --lemmas all --against words.txt
    """
    output = Output.choose(json=json, quiet=quiet)
    shaping = shaping_for(out, least, smoothing, limit, cap, exclude)
    known = read_named_list(against) if against else None
    made = words_below(read_wordnet(wordnet), synset, lemmas=lemmas, instances=instances)
    finish(output, out, shaped(made, shaping), known.keywords if known else ())


def neighbours_cli(
    out: Out,
    given: Given,
    by: Annotated[
        Literal["wordnet", "embeddings"], typer.Option("--by", help="Near by WordNet's links, or by meaning's vectors.")
    ] = "wordnet",
    steps: Annotated[int, typer.Option("--steps", min=1, help="With wordnet: steps up, and again down.")] = 1,
    senses: Annotated[int, typer.Option("--senses", min=1, help="With wordnet: how many senses of a word count.")] = 1,
    lemmas: _Lemmas = "all",
    number: Annotated[int, typer.Option("--number", min=1, help="With embeddings: how many for each word.")] = 20,
    candidates: Annotated[
        str | None, typer.Option("--candidates", metavar="LIST", help="With embeddings: the list to choose from.")
    ] = None,
    embeddings: Embeddings = "auto",
    device: Device = "auto",
    wordnet: _WordNet = None,
    train_share: TrainShare = 1.0,
    seed: Seed = 0,
    least: Least = 1,
    smoothing: Smoothing = 0.0,
    limit: Limit = 0,
    cap: Cap = None,
    exclude: Exclude = None,
    against: Against = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the neighbours of known words; a word's count is the number of known words that it is near to.

    By embeddings the candidates are a list, or everything physical in WordNet.

    Examples:
        tq precompute keywords neighbours near.jsonl --given words.txt --steps 2 --train-share 0.5
        tq precompute keywords neighbours near.jsonl --given words.txt --by embeddings --number 50 --least 2
    """
    output = Output.choose(json=json, quiet=quiet)
    shaping = shaping_for(out, least, smoothing, limit, cap, exclude)
    train, rest = known_words(given, against, train_share, seed)
    if by == "wordnet":
        made = words_near(read_wordnet(wordnet), train, steps=steps, num_senses=senses, lemmas=lemmas)
    else:
        held = (
            read_named_list(candidates) if candidates else words_below(read_wordnet(wordnet), PHYSICAL, lemmas=lemmas)
        )
        made = _by_embeddings(output, train, held, embeddings, device, number)
    finish(output, out, shaped(made, shaping), rest, train)


def file_cli(
    out: Out,
    lists: Annotated[list[str], typer.Argument(metavar="LIST...", help=f"Lists to merge; each is {LIST_HELP}.")],
    weight: Annotated[
        list[float] | None, typer.Option("--weight", help="How much each list's prior counts, in the lists' order.")
    ] = None,
    prior: Annotated[
        Literal["given", "counts"], typer.Option("--prior", help="Mix the lists' priors, or follow the counts.")
    ] = "given",
    least: Least = 1,
    smoothing: Smoothing = 0.0,
    limit: Limit = 0,
    cap: Cap = None,
    exclude: Exclude = None,
    against: Against = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Merge lists, or convert one: words that the game takes for the same become one keyword.

    Examples:
        tq precompute keywords file keywords.jsonl words.txt
        tq precompute keywords file all.jsonl llm.jsonl wordnet.jsonl --weight 9 --weight 1 --cap 400
    """
    output = Output.choose(json=json, quiet=quiet)
    if smoothing and prior == "given":
        raise InputError("--smoothing is about counts", fix="Add --prior counts")
    shaping = shaping_for(out, least, smoothing if prior == "counts" else None, limit, cap, exclude)
    known = read_named_list(against) if against else None
    try:
        made = merge_lists([read_named_list(name) for name in lists], weight)
    except ValueError as error:
        raise InputError(f"--weight: {error}", fix="Give a weight above 0 for each list, or none") from error
    finish(output, out, shaped(made, shaping), known.keywords if known else ())


def _by_embeddings(
    output: Output, train: Sequence[Keyword], held: KeywordList, embeddings: str, device: str, number: int
) -> KeywordList:
    from furikaeri_cli.tq.embeddings import encoder_for
    from furikaeri_common.embedders import DEFAULT_EMBEDDER
    from twenty_questions.sources.neighbours import embedding_neighbours

    # Without an embedder there is nothing to go on with, so the usual one is asked for by name.
    wanted = DEFAULT_EMBEDDER if embeddings == "auto" else embeddings
    encode, name = encoder_for(wanted, device, output, "")
    if encode is None:
        raise InputError("--by embeddings needs an embedder", fix="Leave --embeddings off out, or take --by wordnet")
    output.note(f"Comparing {len(train):,} words with {len(held):,} candidates by {name}")
    samples = embedding_neighbours(train, [keyword.name for keyword in held.keywords], encode, number=number)
    if not any(samples):
        raise InputError("none of the known words has a neighbour", fix="Give more candidates")
    return merge_samples(samples, source="neighbours by embeddings")
