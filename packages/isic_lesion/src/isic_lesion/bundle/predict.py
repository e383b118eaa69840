"""Score the lesions of a folder with the models that lie beside this file, and nothing from elsewhere. (io)

In a notebook, once the folder of this file is on the path:

    from predict import main
    main()

As a program, which says more with `--help`:

    python predict.py DATA_FOLDER --out submission.csv

A lesion's score is its rank among those of the table: above 0, at most 1, the higher the more suspicious. It is no
probability, and this is no medical device.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple, Union

__all__ = ["DATA_FOLDERS", "Submission", "main"]

DATA_FOLDERS = ("/kaggle/input/isic-2024-challenge", "/kaggle/input/competitions/isic-2024-challenge")
"""Where Kaggle's notebooks find the contest's data."""

_HERE = Path(__file__).resolve().parent
_PYTHON = (3, 11)
_FIX = "Attach its wheel to the notebook and install it with: pip install --no-index --find-links FOLDER"

PathLike = Union[str, Path]  # noqa: UP007 (an older Python must come as far as to be told that it is too old)


class Submission(NamedTuple):
    """A submission that was written.

    Attributes:
        file: the CSV.
        rows: how many lesions.
        unknown: how many are of hospitals that the models were not trained on.
    """

    file: Path
    rows: int
    unknown: int


def main(
    data: PathLike | None = None,
    out: PathLike = "submission.csv",
    *,
    image_scores: Sequence[PathLike] = (),
    past: Sequence[PathLike] = (),
    images: PathLike | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    readers: int = 0,
    chunk_rows: int | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, total: None,
) -> Submission:
    """Score the lesions of a folder, and write them as a submission.

    Args:
        data: holds test-metadata.csv; None: the contest's folder on Kaggle.
        out: the CSV.
        image_scores: files of scores of image models that do not lie beside this file, where the others look at them.
        past: files of earlier contests, where these models were trained with them.
        images: the HDF5 file of the pictures, where image models lie beside this file; None: the folder's.
        on_bad: damaged pictures are refused, or their lesions are scored without them.
        readers: processes that decode pictures; 0: this one.
        chunk_rows: how many rows are in memory at once; None: as the recipe says.
        on_chunk: told how many rows of how many are done.

    Raises:
        ImportError: if a library is missing or too old, or other code of these names was imported before.
        FurikaeriError: if something cannot be read or written, or is missing.
    """
    _check_libraries()
    if str(_HERE) not in sys.path:
        sys.path.insert(0, str(_HERE))
    import isic_lesion

    if Path(str(isic_lesion.__file__)).resolve().parents[1] != _HERE:
        raise ImportError(
            f"isic_lesion was imported from {isic_lesion.__file__}: run this file in a process of its own"
        )
    from furikaeri_common.errors import InputError
    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.picture_scores import predict_with_pictures
    from isic_lesion.prediction import open_predictor
    from isic_lesion.submission import write_submission

    if Path(out).is_dir():
        raise InputError(f"{out}: is a folder", fix="Name a file, such as submission.csv")
    lesions = open_lesions(_data_folder() if data is None else Path(data), "test")
    predicted = predict_with_pictures(
        open_predictor(_HERE),
        lesions,
        image_scores=[Path(file) for file in image_scores],
        past=[Path(file) for file in past],
        images=None if images is None else Path(images),
        on_bad=on_bad,
        readers=readers,
        chunk_rows=chunk_rows,
        on_chunk=on_chunk,
    )
    write_submission(predicted.frame, Path(out))
    return Submission(Path(out), len(predicted.frame), predicted.unknown)


def _data_folder() -> Path:
    return next((Path(folder) for folder in DATA_FOLDERS if Path(folder).is_dir()), Path(DATA_FOLDERS[0]))


def _check_libraries() -> None:
    """Refuse what is too old to work, and warn of what is older than the models."""
    if sys.version_info < _PYTHON:
        raise ImportError(f"Python {sys.version.split()[0]} is older than {'.'.join(map(str, _PYTHON))}")
    for name, versions in json.loads((_HERE / "bundle.json").read_text(encoding="utf-8"))["needs"].items():
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            raise ImportError(f"{name} is not installed, {versions['at_least']} or later is needed. {_FIX}") from None
        if _numbers(here) < _numbers(versions["at_least"]):
            raise ImportError(f"{name} {here} is older than {versions['at_least']}, which is needed. {_FIX}")
        if _numbers(here)[:2] < _numbers(versions["packed_with"])[:2] and name in ("xgboost", "lightgbm"):
            warnings.warn(
                f"{name} {here} is older than {versions['packed_with']}, for which these models were made. If it "
                f"cannot read them: {_FIX}",
                stacklevel=3,
            )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="predict.py", description="Score the lesions of a folder. No medical device.")
    parser.add_argument(
        "data", nargs="?", type=Path, metavar="DATA_FOLDER", help="holds test-metadata.csv; else the contest's"
    )
    parser.add_argument("--out", type=Path, default=Path("submission.csv"), metavar="FILE", help="the CSV to write")
    parser.add_argument(
        "--image-scores", action="append", default=[], metavar="FILE", help="scores of image models; repeatable"
    )
    parser.add_argument("--images", type=Path, metavar="FILE", help="the pictures, if not the folder's test-image.hdf5")
    parser.add_argument(
        "--on-bad",
        choices=("refuse", "skip"),
        default="refuse",
        help="damaged pictures: stop and name them, or score those lesions without",
    )
    parser.add_argument("--readers", type=int, default=0, metavar="N", help="processes that decode pictures")
    parser.add_argument("--past", action="append", default=[], metavar="PATH", help="earlier contests; repeatable")
    parser.add_argument("--chunk-rows", type=int, metavar="N", help="rows in memory at once; else as the recipe says")
    given = parser.parse_args(arguments)
    if given.chunk_rows is not None and given.chunk_rows < 1:
        parser.error("--chunk-rows: expected 1 or more")
    if given.readers < 0:
        parser.error("--readers: expected 0 or more")
    try:
        made = main(
            given.data,
            given.out,
            image_scores=given.image_scores,
            past=given.past,
            images=given.images,
            on_bad=given.on_bad,
            readers=given.readers,
            chunk_rows=given.chunk_rows,
            on_chunk=lambda done, total: print(f"{done:,} of {total:,} lesions", file=sys.stderr, flush=True),
        )
    except Exception as error:
        code = 2 if isinstance(error, ImportError) else getattr(error, "exit_code", None)
        if code is None:
            raise
        print(f"predict.py: {error}", file=sys.stderr)
        return int(code)
    print(f"{made.file}: {made.rows:,} lesions, {made.unknown:,} of hospitals not trained on")
    return 0


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1:]))
