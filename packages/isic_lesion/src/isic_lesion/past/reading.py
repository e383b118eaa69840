"""The lesions of earlier contests, read from the contests' own files into this contest's columns. (io)

The same image was handed out again and again: HAM10000 is the training set of 2018 and a part of that of 2019. Here it
becomes one row, with the truth of the contest that comes first in `PRECEDENCE` and what any of them knows of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from furikaeri_common.errors import InputError
from isic_lesion.data.metadata_files import check_end, line_numbers, row_word, scan_cells, telling_of
from isic_lesion.data.schema import frame_schema
from isic_lesion.past.formats import PRECEDENCE, REPEATS, PastFormat, recognise
from isic_lesion.past.tidying import UNFIT
from isic_lesion.past.words import SEXES, SITES

if TYPE_CHECKING:
    from polars import DataFrame

__all__ = ["EXTRA_COLUMNS", "Past", "PastFile", "empty_past", "past_notes", "read_past"]

EXTRA_COLUMNS = ("source", "diagnosis", "site")
"""What a past row has beside this contest's columns: whose truth it is, and diagnosis and site in the contests' words.
"""

_SUFFIXES = (".csv", ".csv.gz")
_OLDEST = 120.0
_MERGED = ("patient_id", "lesion_id", "age_approx", "sex", "anatom_site_general", "site")


class PastFile(NamedTuple):
    """One file that was read.

    Attributes:
        path: where it is.
        contest: whose it is, one of `PRECEDENCE`.
        what: "truth", or what else it tells.
        rows: how many.
    """

    path: Path
    contest: str
    what: str
    rows: int


class Past(NamedTuple):
    """The images of earlier contests whose truth is known.

    Attributes:
        frame: the training table's columns and `EXTRA_COLUMNS`, one row an image, by isic_id. Target is 1 iff iddx_1
            is Malignant. What earlier contests did not measure is null.
        files: what was read, in order.
        duplicates: rows of truth about images that another row had told of already.
        repeats: images left out because their contest says that they show the same as others.
        disagreements: isic_id, source, diagnosis and iddx_1 of every row about images on whose iddx_1 contests differ,
            by isic_id, the one that counts first.
        unlabelled: images of which no file tells what they show.
        unmapped: words for sex and site that nobody knows, such as "site 'nose' (in 3 of the rows)"; they count as
            missing.
        unknown: files found in a folder that are no earlier contest's.
    """

    frame: DataFrame
    files: tuple[PastFile, ...]
    duplicates: int
    repeats: int
    disagreements: DataFrame
    unlabelled: int
    unmapped: tuple[str, ...]
    unknown: tuple[Path, ...]


def empty_past() -> Past:
    """Return a past without any image."""
    import polars as pl

    extra = dict.fromkeys(EXTRA_COLUMNS, pl.String())
    disputed = dict.fromkeys(("isic_id", "source", "diagnosis", "iddx_1"), pl.String())
    frame = pl.DataFrame(schema={**frame_schema("train"), **extra})
    return Past(frame, (), 0, 0, pl.DataFrame(schema=disputed), 0, (), ())


def past_notes(past: Past) -> tuple[str, ...]:
    """Return what a person should know of files that were read, a line each; none where there is nothing to tell."""
    disputed = past.disagreements["isic_id"].n_unique()
    counted = (
        (past.duplicates, "rows of truth about an image that another row told of"),
        (disputed, f"images whose truths differ, where the first of {', '.join(PRECEDENCE)} counts"),
        (past.repeats, "images left out because their contest says that they repeat others"),
        (past.unlabelled, "images without truth"),
    )
    notes = [f"{told}: {count:,}" for count, told in counted if count]
    notes += [f"{word} is unknown and counts as missing" for word in past.unmapped]
    return (*notes, *(f"{path} is no file of an earlier contest" for path in past.unknown))


def read_past(files: Sequence[Path], *, is_test: bool = False) -> Past:
    """Read files of the contests of 2016 to 2020 and of HAM10000, each known by its header, whatever its name.

    Args:
        files: CSV files, also gzipped, and folders, which are searched for them at any depth. Files about the same
            images, such as the truth and the metadata of 2019, complete each other.
        is_test: keep images without truth too; their target is null.

    Raises:
        InputError: if a file is missing, damaged, or (named itself) no earlier contest's; if an image comes twice in
            one file, or a cell is not what its column holds; if a folder holds none, or no image has a truth.
    """
    import polars as pl

    read: list[PastFile] = []
    tidied: list[DataFrame] = []
    unknown: list[Path] = []
    unmapped: dict[str, int] = {}
    kept, repeats = set[str](), set[str]()
    for path, is_named in _searched(files):
        known = _recognised(path, is_named=is_named)
        if known is None and is_named:
            raise InputError(
                f"{path}: is no file of an earlier contest: its header is none of theirs",
                fix=f"Give truth or metadata as they were published for {', '.join(reversed(PRECEDENCE))}",
            )
        if known is None:
            unknown.append(path)
            continue
        if known.what == REPEATS:
            pairs = known.tidy(_cells(path, known))
            _add_repeats(pairs.rows(), kept, repeats)
            read.append(PastFile(path, known.contest, known.what, len(pairs)))
            continue
        frame = _read_file(path, known, unmapped)
        read.append(PastFile(path, known.contest, known.what, len(frame)))
        tidied.append(frame)
    if not read:
        places = ", ".join(map(str, files)) or "nothing"
        raise InputError(f"{places}: holds no file of an earlier contest", fix="Give the folder that holds their CSVs")
    if not tidied:
        raise InputError(f"{read[0].path}: tells of no image by itself", fix="Give that contest's ground truth too")
    every = pl.concat(tidied).sort("rank", maintain_order=True)
    rows = every.filter(~pl.col("isic_id").is_in(list(repeats)))
    truth = rows.filter(pl.col("iddx_1").is_not_null())
    if truth.is_empty() and not is_test:
        raise InputError(f"{read[0].path}: tells no truth", fix="Give that contest's ground truth too")
    known_first = rows.sort(pl.col("iddx_1").is_null(), maintain_order=True) if is_test else truth
    chosen = known_first.unique("isic_id", keep="first", maintain_order=True)
    merged = rows.group_by("isic_id").agg(pl.col(_MERGED).drop_nulls().first())
    frame = _complete(chosen.drop(_MERGED).join(merged, on="isic_id").sort("isic_id"))
    differing = truth.group_by("isic_id").agg(pl.col("iddx_1").n_unique()).filter(pl.col("iddx_1") > 1)["isic_id"]
    disputed = truth.filter(pl.col("isic_id").is_in(differing.implode())).sort("isic_id", maintain_order=True)
    return Past(
        frame=frame,
        files=tuple(read),
        duplicates=len(truth) - truth["isic_id"].n_unique(),
        repeats=every["isic_id"].n_unique() - rows["isic_id"].n_unique(),
        disagreements=disputed.select("isic_id", "source", "diagnosis", "iddx_1"),
        unlabelled=rows["isic_id"].n_unique() - truth["isic_id"].n_unique(),
        unmapped=tuple(f"{word} (in {count} of the rows)" for word, count in sorted(unmapped.items())),
        unknown=tuple(unknown),
    )


def _searched(files: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Return the files to look at, and whether each was named itself; none comes twice."""
    found: dict[Path, bool] = {}
    for path in map(Path, files):
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.name.lower().endswith(_SUFFIXES) and file.is_file())
            found = {**dict.fromkeys(sorted(file for file in inside if not file.name.startswith(".")), False), **found}
        else:
            found[path] = True
    return list(found.items())


def _recognised(path: Path, *, is_named: bool) -> PastFormat | None:
    try:
        return recognise(scan_cells(path).collect_schema().names())
    except InputError:
        if is_named:
            raise
        return None  # what merely lies in a folder need not be a table at all


def _cells(path: Path, known: PastFormat) -> DataFrame:
    import polars as pl

    with telling_of(path):
        cells = scan_cells(path).collect()
    check_end(path)
    if not known.header:  # the first row stands where a header would
        cells = pl.concat([pl.DataFrame({name: [name] for name in cells.columns}), cells])
    return cells.rename({name: name.strip() for name in cells.columns})


def _add_repeats(pairs: Sequence[tuple[str, str]], kept: set[str], repeats: set[str]) -> None:
    """Note which image of each pair goes: the second, unless it is the one that another pair keeps."""
    for first, second in pairs:
        if second not in kept:
            repeats.add(second)
            if first not in repeats:
                kept.add(first)


def _read_file(path: Path, known: PastFormat, unmapped: dict[str, int]) -> DataFrame:
    import polars as pl

    tidy = known.tidy(_cells(path, known))
    _check(path, tidy, is_headed=bool(known.header))
    for column, words in (("sex", SEXES), ("site", SITES)):
        said = tidy[column].drop_nulls()
        for word in said.filter(~said.str.to_lowercase().is_in(list(words))):
            unmapped[f"{column} {word!r}"] = unmapped.get(f"{column} {word!r}", 0) + 1
    return tidy.select(
        "isic_id",
        "patient_id",
        "lesion_id",
        "diagnosis",
        "iddx_1",
        "site",
        age_approx=pl.col("age").replace("unknown", None).cast(pl.Float64),
        sex=pl.col("sex").str.to_lowercase().replace_strict(SEXES, default=None, return_dtype=pl.String),
        anatom_site_general=pl.col("site")
        .str.to_lowercase()
        .replace_strict(SITES, default=None, return_dtype=pl.String),
        source=pl.lit(known.contest),
        rank=pl.lit(PRECEDENCE.index(known.contest)),
    )


def _check(path: Path, tidy: DataFrame, *, is_headed: bool) -> None:
    import polars as pl

    def line(position: int) -> str:
        number = line_numbers(path, len(tidy))[position] if is_headed else position + 1
        return f"{path}, {row_word(path)} {number}"

    age = pl.col("age").replace("unknown", None)
    number = age.cast(pl.Float64, strict=False)
    wrong = tidy.select(
        named=(pl.col("isic_id") == "") | pl.col("isic_id").is_null(),
        repeated=pl.col("isic_id").is_duplicated(),
        truth=pl.col("iddx_1") == UNFIT,
        age=age.is_not_null() & ~number.is_between(0, _OLDEST).fill_null(value=False),
    ).fill_null(value=False)
    for name, told in (
        ("named", "names no image"),
        ("repeated", "comes more than once"),
        ("truth", "expected one diagnosis that the contest knows"),
        ("age", f"expected an age from 0 to {_OLDEST:.0f}"),
    ):
        rows = wrong[name].arg_true()
        if not len(rows):
            continue
        position = int(rows[-1] if name == "repeated" else rows[0])
        row = tidy.row(position, named=True)
        image = f" ({row['isic_id']})" if row["isic_id"] else ""
        got = f", got {row['age'][:40]!r}" if name == "age" else ""
        more = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
        raise InputError(f"{line(position)}{image}: {told}{got}{more}", fix="Download the file again or mend that line")


def _complete(rows: DataFrame) -> DataFrame:
    """Add the target and the columns that no earlier contest had, all null."""
    import polars as pl

    schema = frame_schema("train")
    target = (pl.col("iddx_1") == "Malignant").cast(pl.Int8)
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in rows.columns]
    return rows.with_columns(*lacking).with_columns(target=target).select(*schema, *EXTRA_COLUMNS)
