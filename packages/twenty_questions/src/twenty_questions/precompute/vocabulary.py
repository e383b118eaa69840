"""The stages of a vocabulary, in order (io): sources, compounds, candidates, prior, file.

folder/sources.parquet      what the sources say of names and words
folder/compounds.parquet    new two-word names with their scores
folder/candidates.parquet   every name with its facts
folder/prior.parquet        every name with its probability
folder/vocabulary.bin       the most probable names, packed
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.artifacts import fingerprint_of, write_bytes
from furikaeri_common.documents import jsonable
from furikaeri_common.errors import InputError, MissingExtraError
from furikaeri_common.stages import Stage
from twenty_questions.bisection import word_list
from twenty_questions.builtin.build import TABLE_FOLDER
from twenty_questions.precompute.vocabulary_recipe import VocabularyRecipe
from twenty_questions.sources.named_lists import is_public, place_of, read_named_list
from twenty_questions.sources.recall import split_words
from twenty_questions.sources.wordnet import WordNet, read_wordnet
from twenty_questions.table import builtin_table
from twenty_questions.vocabulary.candidates import candidate_frame, known_compounds, known_names, more_modifiers
from twenty_questions.vocabulary.compounds import WordFacts, new_compounds
from twenty_questions.vocabulary.gathered import Sources, sources_from_table, table_of_sources
from twenty_questions.vocabulary.naming import spelled
from twenty_questions.vocabulary.packed import write_vocabulary
from twenty_questions.vocabulary.prior_model import PriorConfig, fit_prior, rows_of_keywords
from twenty_questions.vocabulary.word_sources import (
    bigram_counts,
    concreteness_ratings,
    source_versions,
    wordnet_kinds,
    wordnet_nouns,
    zipf_values,
)
from twenty_questions.vocabulary.written_lists import (
    JUDGED_FOLDER,
    WRITTEN_FOLDER,
    read_judgements,
    read_written_lists,
)
from twenty_questions.words import Keyword

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FitPrior", "VocabularyLayout", "vocabulary_data", "vocabulary_stages"]

_WORDNET_FIX = "Install it with `apt-get install wordnet-base`, or name a folder as `wordnet` in the recipe"
_LIBRARIES = ("lightgbm", "polars", "scipy")

FitPrior = Callable[["pl.DataFrame", Sequence[Keyword], PriorConfig, int], NDArray[np.float64]]
"""Learns the probability of each candidate: candidates, known keywords, settings and seed -> float64, shape (rows,)."""


@dataclass(frozen=True, slots=True)
class VocabularyLayout:
    """Where everything lies in a run's folder."""

    folder: Path

    @property
    def sources(self) -> Path:
        """What the sources say."""
        return self.folder / "sources.parquet"

    @property
    def compounds(self) -> Path:
        """New compounds."""
        return self.folder / "compounds.parquet"

    @property
    def candidates(self) -> Path:
        """Every name with its facts."""
        return self.folder / "candidates.parquet"

    @property
    def prior(self) -> Path:
        """Every name with its probability."""
        return self.folder / "prior.parquet"

    @property
    def file(self) -> Path:
        """The vocabulary."""
        return self.folder / "vocabulary.bin"


def vocabulary_data(recipe: VocabularyRecipe) -> dict[str, str]:
    """Return the SHA-256 of everything a recipe reads, by what it is; the packages by their versions.

    Raises:
        InputError: if something is missing.
        MissingExtraError: if a package is.
    """
    wordnet = _wordnet(recipe)
    found = {
        "written lists": fingerprint_of(_folder(recipe.written, WRITTEN_FOLDER, "written lists")),
        "judgements": fingerprint_of(_folder(recipe.judged, JUDGED_FOLDER, "judgements")),
        "built-in table": fingerprint_of(TABLE_FOLDER),
        **{
            f"WordNet {name}": fingerprint_of(wordnet.folder / name)
            for name in ("index.noun", "data.noun", "cntlist.rev")
            if (wordnet.folder / name).is_file()
        },
        **source_versions(),
    }
    if not is_public(recipe.known):
        found[f"known {recipe.known}"] = fingerprint_of(place_of(recipe.known))
    return found


def vocabulary_stages(recipe: VocabularyRecipe, folder: Path, *, fit: FitPrior = fit_prior) -> list[Stage]:
    """Return the stages of a recipe.

    Args:
        recipe: what is made.
        folder: the run's.
        fit: learns the prior.

    Raises:
        InputError: if something that it reads is missing.
        MissingExtraError: if an extra is.
    """
    pl = _polars()
    layout, data = VocabularyLayout(folder), vocabulary_data(recipe)
    known = split_words(
        read_named_list(recipe.known).keywords, train_share=recipe.train_share, seed=recipe.split_seed
    ).train
    if not known:
        raise InputError(
            f"{recipe.known}: no word falls into a share of {recipe.train_share:g}", fix="Raise train_share"
        )

    def sources() -> Mapping[str, object]:
        gathered = _gathered(recipe)
        _write(layout.sources, table_of_sources(gathered))
        return {
            "written": len(gathered.written),
            "builtin": len(gathered.builtin),
            "wordnet": len(gathered.wordnet),
            "frequent_words": len(gathered.zipf),
            "rated": len(gathered.concreteness),
            "frequent_pairs": len(gathered.bigrams),
        }

    def compounds() -> Mapping[str, object]:
        held = sources_from_table(pl.read_parquet(layout.sources))
        listed = known_compounds(held, recipe.selection)
        made = new_compounds(
            listed,
            WordFacts(zipf=held.zipf, concreteness=held.concreteness, traits=held.kinds),
            modifiers=more_modifiers(held, listed),
            exclude=known_names(held, recipe.selection, listed),
            config=recipe.compounds,
            seed=recipe.seed,
        )
        _write(layout.compounds, pl.DataFrame({"name": pl.Series(made.names, dtype=pl.String), "score": made.scores}))
        return {"known": len(listed), "new": len(made.names)}

    def candidates() -> Mapping[str, object]:
        held = sources_from_table(pl.read_parquet(layout.sources))
        made = pl.read_parquet(layout.compounds)
        scores = dict(zip(made["name"].to_list(), made["score"].to_list(), strict=True))
        frame = candidate_frame(held, recipe.selection, known_compounds(held, recipe.selection), scores)
        _write(layout.candidates, frame)
        return {"names": frame.height, "two_words": frame.filter(pl.col("words") == 2).height}

    def prior() -> Mapping[str, object]:
        frame = pl.read_parquet(layout.candidates)
        learned = np.asarray(fit(frame, known, recipe.prior, recipe.seed), dtype=np.float64)
        if learned.shape != (frame.height,) or not (np.isfinite(learned).all() and (learned > 0).all()):
            raise ValueError(f"expected a positive probability for each of {frame.height} names")
        _write(layout.prior, frame.select("name").with_columns(pl.Series("prior", learned / learned.sum())))
        p = learned / learned.sum()
        found = np.unique(rows_of_keywords(frame["name"].to_list(), known).rows)
        return {"known": found.size, "bits": float(-p @ np.log2(p))}

    def file() -> Mapping[str, object]:
        held = pl.read_parquet(layout.prior)
        # Of equally probable names the earlier ones in the alphabet stay.
        best = held.with_row_index().sort(["prior", "index"], descending=[True, False]).head(recipe.limit)
        words = word_list(best["name"].to_list(), best["prior"].to_numpy())
        told = {
            "recipe": recipe.name,
            "settings": jsonable(recipe),
            "sources": data,
            "candidates": held.height,
            "kept_mass": float(best["prior"].sum()),
            "known": len(known),
        }
        facts = write_vocabulary(layout.file, words, told)
        size = layout.file.stat().st_size
        return {"names": facts.names, "bytes": size, "fingerprint": facts.fingerprint, "kept_mass": told["kept_mass"]}

    base: dict[str, Any] = {"data": data}
    selection, seed = jsonable(recipe.selection), recipe.seed
    learning = {"known": [keyword.names for keyword in known], "prior": jsonable(recipe.prior), "seed": seed}
    return [
        Stage("sources", sources, base, (layout.sources,)),
        Stage(
            "compounds",
            compounds,
            {"selection": selection, "compounds": jsonable(recipe.compounds), "seed": seed},
            (layout.compounds,),
        ),
        Stage("candidates", candidates, {}, (layout.candidates,)),
        Stage("prior", prior, learning, (layout.prior,)),
        Stage("file", file, {"recipe": jsonable(recipe)}, (layout.file,)),
    ]


def _gathered(recipe: VocabularyRecipe) -> Sources:
    builtin: dict[str, float] = {}
    table = builtin_table()
    for keyword, share in zip(table.keywords, table.prior.tolist(), strict=True):
        for name in map(spelled, keyword.names):
            builtin[name] = max(share, builtin.get(name, 0.0))
    wordnet = _wordnet(recipe)
    nouns = wordnet_nouns(wordnet)
    return Sources(
        written=read_written_lists(_folder(recipe.written, WRITTEN_FOLDER, "written lists").glob("*.txt")),
        judged=read_judgements(_folder(recipe.judged, JUDGED_FOLDER, "judgements").glob("*.txt")),
        builtin=builtin,
        wordnet=nouns,
        kinds=wordnet_kinds(wordnet, nouns),
        zipf=zipf_values(),
        concreteness=concreteness_ratings(),
        bigrams=bigram_counts(),
    )


def _wordnet(recipe: VocabularyRecipe) -> WordNet:
    try:
        return read_wordnet(Path(recipe.wordnet).expanduser() if recipe.wordnet else None)
    except InputError as error:
        raise InputError(error.message, fix=_WORDNET_FIX) from error


def _folder(named: str, own: Path, what: str) -> Path:
    folder = Path(named).expanduser() if named else own
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder of {what}")
    if not any(folder.glob("*.txt")):
        raise InputError(f"{folder}: holds no .txt file of {what}")
    return folder


def _write(path: Path, frame: pl.DataFrame) -> None:
    # In memory first: polars hides a full disk behind an error of its own.
    whole = BytesIO()
    frame.write_parquet(whole)
    write_bytes(path, whole.getvalue())


def _polars() -> Any:
    """Return polars, if it and what later stages compute with are there."""
    if any(importlib.util.find_spec(library) is None for library in _LIBRARIES):
        raise MissingExtraError("a vocabulary", distribution="furikaeri-twenty-questions", extra="vocabulary")
    import polars

    return polars
