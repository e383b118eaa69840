"""Pictures of lesions as batches of pixels, read ahead by other processes. (io)"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from furikaeri_common.errors import InputError, MissingExtraError
from isic_lesion.image_models.config import Augmentation
from isic_lesion.image_models.reading import PictureReader, Place, ReadingSpec
from isic_lesion.image_models.reading_processes import ReadingProcesses
from isic_lesion.image_models.rows import ImageRows

if TYPE_CHECKING:
    from torch import Tensor

    from isic_lesion.image_models.backbones import InputSpec

__all__ = ["Batch", "Draw", "Picture", "Pictures", "check_pictures", "load_batches", "open_pictures"]

_AHEAD = 2  # batches of each process that are asked for and not taken yet
_CHECKED = 64  # pictures of a batch that is only checked
_SMALL = 16  # pixels


class Draw(NamedTuple):
    """One picture that a network is shown.

    Attributes:
        row: its lesion, as an index into `ImageRows.frame`.
        seed: of its augmentation; below 0: none.
    """

    row: int
    seed: int = -1


class Picture(NamedTuple):
    """One picture.

    Attributes:
        pixels: uint8, shape (3, S, S).
        row: its lesion.
        is_whole: whether it could be decoded; all its pixels are mid-grey if not.
    """

    pixels: Tensor
    row: int
    is_whole: bool


class Batch(NamedTuple):
    """Some pictures.

    Attributes:
        pixels: uint8, shape (B, 3, S, S).
        rows: their lesions, int64, shape (B,).
        whole: which could be decoded, bool, shape (B,); the others are mid-grey all over.
    """

    pixels: Tensor
    rows: Tensor
    whole: Tensor


class Pictures:
    """The pictures of rows, by `Draw`; a map-style data set of torch, see `open_pictures`."""

    def __init__(self, rows: ImageRows, spec: ReadingSpec) -> None:
        self.spec = spec
        self._ids = rows.frame["isic_id"]
        self._sources = rows.frame["source"].to_numpy()
        self._reader = PictureReader(spec)
        self._process = os.getpid()

    def __len__(self) -> int:
        """Return how many lesions there are."""
        return len(self._ids)

    def __getitem__(self, draw: Draw) -> Picture:
        """Read one picture in this process.

        Raises:
            InputError: if its file cannot be opened, or holds it no longer.
            IndexError: if there is no such row.
        """
        import torch

        if self._process != os.getpid():  # forked: files that another process opened are not read here
            self._reader, self._process = PictureReader(self.spec), os.getpid()
        pixels, whole = self._reader.read_all(self.places([draw]))
        return Picture(torch.from_numpy(pixels[0]), draw.row, bool(whole[0]))

    def __getstate__(self) -> dict[str, Any]:
        """Return what goes to another process: no open file."""
        return {**self.__dict__, "_reader": PictureReader(self.spec), "_process": -1}

    def places(self, draws: Sequence[Draw]) -> list[Place]:
        """Return where the pictures of draws are stored.

        Raises:
            IndexError: if there is no such row.
        """
        for draw in draws:
            if not 0 <= draw.row < len(self):
                raise IndexError(f"expected a row in [0, {len(self)}), got {draw.row}")
        return [Place(int(self._sources[row]), self._ids[int(row)], int(seed)) for row, seed in draws]


def open_pictures(rows: ImageRows, inputs: InputSpec, augmentation: Augmentation = "none") -> Pictures:
    """Return the pictures of rows as a network takes them; no file is opened yet.

    Args:
        rows: the lesions.
        inputs: size and interpolation of the network's pictures.
        augmentation: what is done to pictures that are drawn with a seed.

    Raises:
        MissingExtraError: if torch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("reading pictures", distribution="furikaeri-isic-lesion", extra="image") from error
    files = tuple(str(path) for path in rows.files)
    return Pictures(rows, ReadingSpec(files, inputs.size, inputs.interpolation, augmentation))


def load_batches(
    pictures: Pictures, batches: Iterable[Sequence[Draw]], *, workers: int = 0
) -> Generator[Batch, None, None]:
    """Read batches one after the other, ahead of their use.

    Closing the generator (`contextlib.closing`) ends its processes at once; so does its last batch, an error or Ctrl-C.

    Args:
        pictures: what to read from.
        batches: the draws of each; it is gone through a few batches ahead. Give all that are to come, since every
            call starts its own processes.
        workers: how many processes read; 0: this one, when a batch is asked for. No bit depends on it.

    Yields:
        The batches in order.

    Raises:
        InputError: if a file of pictures cannot be opened, or holds a picture no longer.
        WorkError: if a process that reads dies.
        ValueError: if `workers` is below 0.
    """
    if workers < 0:
        raise ValueError(f"expected workers >= 0, got {workers}")
    return _read_here(pictures, batches) if workers == 0 else _read_ahead(pictures, batches, workers)


def check_pictures(
    rows: ImageRows,
    on_bad: Literal["refuse", "skip"] = "refuse",
    *,
    workers: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[str]:
    """Decode the pictures of all rows and return the isic_id of those that are damaged.

    Args:
        rows: the lesions.
        on_bad: "refuse" to raise if there is one, "skip" to return them.
        workers: as of `load_batches`.
        on_progress: told how many rows of how many are done.

    Raises:
        InputError: if a file cannot be opened, or if a picture is damaged and `on_bad` is "refuse".
        WorkError: if a process that reads dies.
    """
    spec = ReadingSpec(tuple(str(path) for path in rows.files), _SMALL, "bilinear", "none")
    total = len(rows.frame)
    batches = ([Draw(row) for row in range(start, min(start + _CHECKED, total))] for start in range(0, total, _CHECKED))
    bad: list[int] = []
    done = 0
    for batch in load_batches(Pictures(rows, spec), batches, workers=workers):
        bad += batch.rows[~batch.whole].tolist()
        done += len(batch.rows)
        on_progress(done, total)
    ids: list[str] = rows.frame["isic_id"][bad].to_list()
    if bad and on_bad == "refuse":
        more = f" and {len(bad) - 1:,} more pictures are" if len(bad) > 1 else " is"
        raise InputError(
            f"{rows.files[rows.frame['source'][bad[0]]]}: {ids[0]}{more} damaged",
            fix="Copy the file again, or leave damaged pictures out with --on-bad skip",
        )
    return ids


def _read_here(pictures: Pictures, batches: Iterable[Sequence[Draw]]) -> Generator[Batch, None, None]:
    with PictureReader(pictures.spec) as reader:
        for draws in batches:
            yield _batch(draws, *reader.read_all(pictures.places(draws)))


def _read_ahead(pictures: Pictures, batches: Iterable[Sequence[Draw]], workers: int) -> Generator[Batch, None, None]:
    with ReadingProcesses(pictures.spec, workers) as processes:
        asked: deque[Sequence[Draw]] = deque()
        for draws in batches:
            processes.ask(pictures.places(draws))
            asked.append(draws)
            if len(asked) > _AHEAD * workers:
                yield _batch(asked.popleft(), *processes.take())
        while asked:
            yield _batch(asked.popleft(), *processes.take())


def _batch(draws: Sequence[Draw], pixels: NDArray[np.uint8], whole: NDArray[np.bool_]) -> Batch:
    import torch

    rows = torch.tensor([draw.row for draw in draws], dtype=torch.int64)
    return Batch(torch.from_numpy(pixels), rows, torch.from_numpy(whole))
