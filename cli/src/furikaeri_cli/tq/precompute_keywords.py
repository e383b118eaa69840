"""`tq precompute keywords`: lists of things that can be the secret, out of WordNet, of neighbours and of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from furikaeri_cli.options import Device, Json, Quiet, Seed
from furikaeri_cli.output import Output
from furikaeri_cli.tq.word_lists import (
    LIST_HELP,
    Against,
    Cap,
    Exclude,
    Given,
    Least,
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
from twenty_questions.sources.wordnet import Lemmas, WordNet, descendants, find_synset, lemma_names, read_wordnet
from twenty_questions.words import Keyword

__all__ = ["PHYSICAL", "file_cli", "neighbours_cli", "wordnet_cli", "wordnet_list"]

PHYSICAL = "physical_entity.n.01"

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
    shaping = shaping_for(out, least, smoothing, cap, exclude)
    known = read_named_list(against) if against else None
    made = wordnet_list(read_wordnet(wordnet), synset, lemmas, instances=instances)
    finish(output, out, shaping.of(made), known.keywords if known else ())


def wordnet_list(held: WordNet, synset: str, lemmas: Lemmas, *, instances: bool) -> KeywordList:
    """Return everything below a synset as a list."""
    below = descendants(held, find_synset(held, synset), instances=instances)
    if not below:
        raise InputError(f"{synset}: nothing lies below this synset", fix="Name a wider one")
    return merge_samples([lemma_names([one], lemmas) for one in below], source="wordnet")


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
    embedder: Annotated[
        str, typer.Option("--embedder", help="With embeddings: a sentence embedder on this machine.")
    ] = "all-MiniLM-L6-v2",
    device: Device = "cpu",
    wordnet: _WordNet = None,
    train_share: TrainShare = 1.0,
    seed: Seed = 0,
    least: Least = 1,
    smoothing: Smoothing = 0.0,
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
    shaping = shaping_for(out, least, smoothing, cap, exclude)
    train, rest = known_words(given, against, train_share, seed)
    if by == "wordnet":
        from twenty_questions.sources.neighbours import wordnet_neighbours

        samples = wordnet_neighbours(read_wordnet(wordnet), train, steps=steps, num_senses=senses, lemmas=lemmas)
    else:
        held = (
            read_named_list(candidates)
            if candidates
            else wordnet_list(read_wordnet(wordnet), PHYSICAL, lemmas, instances=False)
        )
        samples = _by_embeddings(output, train, held, embedder, device, number)
    if not any(samples):
        raise InputError(f"{given}: none of its words has a neighbour", fix="Give more words, or take more steps")
    finish(output, out, shaping.of(merge_samples(samples, source=f"neighbours by {by}")), rest, train)


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
    shaping = shaping_for(out, least, smoothing if prior == "counts" else None, cap, exclude)
    known = read_named_list(against) if against else None
    try:
        made = merge_lists([read_named_list(name) for name in lists], weight)
    except ValueError as error:
        raise InputError(f"--weight: {error}", fix="Give a weight above 0 for each list, or none") from error
    finish(output, out, shaping.of(made), known.keywords if known else ())


def _by_embeddings(
    output: Output, train: Sequence[Keyword], held: KeywordList, embedder: str, device: str, number: int
) -> list[list[str]]:
    from furikaeri_common.embedders import open_embedder
    from furikaeri_common.models.places import models_folder
    from twenty_questions.sources.neighbours import embedding_neighbours

    encode = open_embedder(embedder, folders=[models_folder()], device=device)
    output.note(f"Comparing {len(train):,} words with {len(held):,} candidates by {embedder}")
    return embedding_neighbours(train, [keyword.name for keyword in held.keywords], encode, number=number)
