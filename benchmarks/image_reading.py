"""Pictures a second from HDF5 to batches of pixels: ours beside a plain loop over h5py and Pillow, and torch's loader.

    uv run python benchmarks/image_reading.py images-metadata.csv images.hdf5 [--size 224] [--pictures 6000]

Every way reads the same pictures in the same random order, in batches of 32, to the same size (bicubic, antialiased).
The plain loop is `file[isic_id][()]`, `Image.open`, `resize`. torch's `DataLoader` has our pictures as its data set, in
spawned processes; the plain loop with torchvision does what "lesion" does, but with torchvision's v2 transforms on
tensors. Prints one JSON document: for each way the pictures a second once all its processes run (the median), that by
the plain loop's, and the seconds until the first batch; then how far our pixels are from Pillow's, and the most memory
held by this process and by any that it started.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from PIL import Image

from furikaeri_common.figures import Figure, tell_figures
from isic_lesion.image_models.backbones import InputSpec
from isic_lesion.image_models.pictures import Batch, Draw, Pictures, load_batches, open_pictures
from isic_lesion.image_models.rows import ImageRows, read_image_rows
from isic_lesion.image_models.streams import seed_of

BATCH = 32
FASTER = 1.5  # than the plain loop
SLOW = 1024  # pictures that the slowest way is timed on
WARM = 12  # batches, more than are read ahead while the last process starts


class Timed(NamedTuple):
    """How one pass went: pictures a second after the first batches, and seconds until the very first."""

    per_second: float
    first: float


def plain_loop(path: Path, isic_ids: Sequence[str], size: int) -> Iterator[Any]:
    """Read, decode and resize one picture after the other, as most people would write it."""
    import torch

    with h5py.File(path) as file:
        for start in range(0, len(isic_ids), BATCH):
            pixels = []
            for name in isic_ids[start : start + BATCH]:
                image = Image.open(io.BytesIO(file[name][()])).convert("RGB")
                pixels.append(np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)))
            yield torch.from_numpy(np.stack(pixels).transpose(0, 3, 1, 2).copy())


def torchvision_loop(path: Path, isic_ids: Sequence[str], size: int) -> Iterator[Any]:
    """The plain loop, with torchvision's transforms on each picture."""
    import torch
    from torchvision.transforms import v2

    change = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(180, (0.05, 0.05), (0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(0.1, 0.1, 0.1, 0.01),
        ]
    )
    for pixels in plain_loop(path, isic_ids, size):
        yield torch.stack([change(picture) for picture in pixels])


def ours(pictures: Pictures, draws: Sequence[Draw], workers: int) -> Iterator[Batch]:
    """Read with our own processes."""
    with closing(load_batches(pictures, batches_of(draws), workers=workers)) as batches:
        yield from batches


def torch_loader(pictures: Pictures, draws: Sequence[Draw], workers: int) -> Iterable[Any]:
    """Read with torch's DataLoader, which spawns its processes anew."""
    from torch.utils.data import DataLoader

    sampler = list(batches_of(draws))
    return DataLoader(pictures, batch_sampler=sampler, num_workers=workers, multiprocessing_context="spawn")


def batches_of(draws: Sequence[Draw]) -> list[Sequence[Draw]]:
    return [draws[start : start + BATCH] for start in range(0, len(draws), BATCH)]


def timed(way: Callable[[], Iterable[Any]]) -> Timed:
    """Return how fast a way reads, its first `WARM` batches aside."""
    number = 0
    begin = warm = first = time.perf_counter()
    for number, _ in enumerate(way(), start=1):
        if number == 1:
            first = time.perf_counter()
        if number == WARM:
            warm = time.perf_counter()
    return Timed((number - WARM) * BATCH / (time.perf_counter() - warm), first - begin)


def gap(rows: ImageRows, pictures: Pictures, size: int) -> dict[str, float]:
    """Return how far our pixels are from Pillow's."""
    isic_ids = rows.frame["isic_id"][: 4 * BATCH].to_list()
    plain = np.concatenate([batch.numpy() for batch in plain_loop(rows.files[0], isic_ids, size)])
    own = np.concatenate([b.pixels.numpy() for b in ours(pictures, [Draw(k) for k in range(len(isic_ids))], 0)])
    apart = np.abs(plain.astype(int) - own)
    return {"largest": int(apart.max()), "share that differs": round(float((apart > 0).mean()), 5)}


def main() -> None:
    """Measure and print."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metadata", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--workers", type=int, default=2, help="processes that read")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_image_rows(given.metadata, given.images)
    inputs = InputSpec(given.size, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")
    order = np.random.default_rng(0).permutation(len(rows.frame))[: given.pictures // BATCH * BATCH]
    isic_ids = rows.frame["isic_id"].gather(order).to_list()
    draws = [Draw(int(row), seed_of("augment", 0, 0, 0, place)) for place, row in enumerate(order)]
    kinds = {kind: open_pictures(rows, inputs, kind) for kind in ("none", "lesion", "strong")}
    ways: dict[str, Callable[[], Iterable[Any]]] = {
        "plain loop": lambda: plain_loop(rows.files[0], isic_ids, given.size),
        "plain loop with torchvision": lambda: torchvision_loop(rows.files[0], isic_ids[:SLOW], given.size),
        "ours, in this process": lambda: ours(kinds["none"], draws, 0),
        f"ours, {given.workers} processes": lambda: ours(kinds["none"], draws, given.workers),
        f"torch's loader, {given.workers} processes": lambda: torch_loader(kinds["none"], draws, given.workers),
        "lesion, in this process": lambda: ours(kinds["lesion"], draws, 0),
        f"lesion, {given.workers} processes": lambda: ours(kinds["lesion"], draws, given.workers),
        f"strong, {given.workers} processes": lambda: ours(kinds["strong"], draws, given.workers),
    }
    passes: dict[str, list[Timed]] = {name: [] for name in ways}
    for _ in range(given.repeats):
        for name, way in ways.items():
            passes[name].append(timed(way))
    plain = statistics.median(one.per_second for one in passes["plain loop"])
    figures: dict[str, Any] = {"pictures": len(draws), "size": given.size, "processors": os.cpu_count()}
    for name, runs in passes.items():
        rate, first = (statistics.median(values) for values in zip(*runs, strict=True))
        figures[name] = {
            "per second": round(rate),
            "by plain loop": round(rate / plain, 2),
            "first batch after": round(first, 2),
        }
    figures["pixels from Pillow's"] = gap(rows, kinds["none"], given.size)
    for name, who in (("peak_gb", resource.RUSAGE_SELF), ("peak_gb of a process", resource.RUSAGE_CHILDREN)):
        figures[name] = round(resource.getrusage(who).ru_maxrss / 1e6, 2)
    tell_figures(_told(figures, given.workers))
    print(json.dumps(figures, indent=2))


def _told(figures: dict[str, Any], workers: int) -> list[Figure]:
    """Return pictures a second, beside the plain loop's and torch's loader."""
    size = f"{figures['size']} px"
    plain, torchs = (figures[name]["per second"] for name in ("plain loop", f"torch's loader, {workers} processes"))
    changed = figures["plain loop with torchvision"]["per second"]
    several = figures[f"ours, {workers} processes"]["per second"]
    rate = "pictures/s"
    return [
        Figure(
            f"reading pictures, {size}, this process",
            *(figures["ours, in this process"]["per second"], rate, plain, "a plain loop over h5py and Pillow"),
            better="more",
        ),
        Figure(
            f"reading pictures, {size}, {workers} processes",
            *(several, rate, plain, "a plain loop over h5py and Pillow"),
            limit=FASTER * plain,
            better="more",
        ),
        Figure(
            f"reading pictures beside torch, {size}, {workers} processes",
            *(several, rate, torchs, "torch's DataLoader with as many"),
            better="more",
        ),
        Figure(
            f"reading and augmenting, {size}, {workers} processes",
            *(figures[f"lesion, {workers} processes"]["per second"], rate, changed, "the plain loop with torchvision"),
            better="more",
        ),
    ]


if __name__ == "__main__":
    main()
