"""Reading by processes: the same bits whatever their number, and none outlives its use."""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from furikaeri_common.errors import WorkError
from isic_lesion.data.images import write_images
from isic_lesion.image_models.backbones import InputSpec
from isic_lesion.image_models.pictures import Draw, Pictures, load_batches, open_pictures
from isic_lesion.image_models.reading import PictureReader, Place
from isic_lesion.image_models.reading_processes import ReadingProcesses
from isic_lesion.image_models.rows import read_image_rows

NUM = 20
INPUTS = InputSpec(48, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, make_jpeg) -> Pictures:
    """Pictures in two files, of which one is damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    places = []
    for name, start in (("now", 0), ("past", NUM // 2)):
        ids = [f"ISIC_{k:07d}" for k in range(start, start + NUM // 2)]
        (folder / f"{name}.csv").write_text("isic_id,target\n" + "".join(f"{isic_id},0\n" for isic_id in ids))
        jpegs = [make_jpeg(30 + 3 * k, seed=k) for k in range(start, start + NUM // 2)]
        jpegs[3] = jpegs[3][:300]
        write_images(folder / f"{name}.hdf5", zip(ids, jpegs, strict=True))
        places.append((folder / f"{name}.csv", folder / f"{name}.hdf5"))
    rows = read_image_rows(*places[0], past=places[1:])
    return open_pictures(rows, INPUTS, "strong")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, make_jpeg) -> Pictures:
    """Pictures that have the network's size already: processes that read them need no torch and start quickly."""
    folder = tmp_path_factory.mktemp("ready")
    (folder / "now.csv").write_text("isic_id,target\n" + "".join(f"ISIC_{k:07d},0\n" for k in range(NUM)))
    write_images(folder / "now.hdf5", ((f"ISIC_{k:07d}", make_jpeg(48, seed=k)) for k in range(NUM)))
    return open_pictures(read_image_rows(folder / "now.csv", folder / "now.hdf5"), INPUTS)


@pytest.fixture(scope="module")
def processes(pictures: Pictures) -> Iterator[list[ReadingProcesses]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ReadingProcesses(pictures.spec, workers)) for workers in (1, 2)]


def children() -> list[psutil.Process]:
    """Return the processes that read for this one."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if any("reading_processes" in word for word in child.cmdline()):
                found.append(child)
    return found


def batches_without_end() -> Iterator[list[Draw]]:
    while True:
        yield [Draw(0, 1), Draw(1)]


DRAWS = st.builds(Draw, st.integers(0, NUM - 1), st.integers(-1, 2**63 - 1))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(DRAWS, max_size=6), max_size=6))
def test_processes_change_no_bit(
    pictures: Pictures, processes: list[ReadingProcesses], batches: list[list[Draw]]
) -> None:
    places = [pictures.places(draws) for draws in batches]
    with PictureReader(pictures.spec) as reader:
        expected = [reader.read_all(batch) for batch in places]
    for readers in processes:
        for batch in places:
            readers.ask(batch)
        for pixels, whole in expected:
            taken = readers.take()
            assert (taken[0] == pixels).all()
            assert (taken[1] == whole).all()
            assert taken[0].shape == pixels.shape


def test_batches_come_in_order_and_no_process_stays(pictures: Pictures) -> None:
    before = len(children())
    batches = [[Draw((7 * k + j) % NUM, k + j) for j in range(1 + k % 4)] for k in range(25)]
    alone = list(load_batches(pictures, batches))
    together = list(load_batches(pictures, iter(batches), workers=2))
    assert len(children()) == before
    assert len(alone) == len(together) == 25
    for draws, one, other in zip(batches, alone, together, strict=True):
        assert one.rows.tolist() == other.rows.tolist() == [draw.row for draw in draws]
        assert (one.pixels == other.pixels).all()
        assert (one.whole == other.whole).all()
        assert one.whole.tolist() == [draw.row not in (3, 13) for draw in draws]


def test_no_more_processes_start_than_there_are_batches_and_reading_ahead_is_bounded(ready: Pictures) -> None:
    before, pulled = len(children()), []
    batches = load_batches(ready, (pulled.append(k) or [Draw(k)] for k in range(15)), workers=2)
    assert len(children()) == before
    next(batches)
    assert len(children()) == before + 2
    assert len(pulled) == 5
    next(batches)
    assert len(pulled) == 6
    batches.close()
    assert len(children()) == before
    with contextlib.closing(load_batches(ready, [[Draw(0)]], workers=9)) as few:
        next(few)
        assert len(children()) == before + 1
    assert len(children()) == before


def test_an_error_of_the_caller_ends_the_processes(ready: Pictures) -> None:
    def failing() -> Iterator[list[Draw]]:
        yield [Draw(0)]
        raise KeyError("mine")

    before = len(children())
    with pytest.raises(KeyError, match="mine"):
        list(load_batches(ready, failing(), workers=1))
    with pytest.raises(IndexError, match="expected a row"):
        list(load_batches(ready, [[Draw(0)], [Draw(NUM)]], workers=1))
    assert len(children()) == before


def test_a_process_that_dies_is_told_in_one_line(ready: Pictures) -> None:
    before = children()
    with contextlib.closing(load_batches(ready, batches_without_end(), workers=2)) as batches:
        next(batches)
        reader = next(child for child in children() if child not in before)
        reader.send_signal(signal.SIGKILL)
        with pytest.raises(WorkError) as caught:
            list(itertools.islice(batches, 20))
    assert str(caught.value) == (
        "a process that reads pictures died (SIGKILL). "
        "Run the same command again; fewer of these processes need less memory"
    )
    assert children() == before


def test_a_process_that_fails_is_told_in_one_line(ready: Pictures) -> None:
    with ReadingProcesses(ready.spec._replace(augmentation="unheard of"), 1) as readers:  # type: ignore[arg-type]
        readers.ask([Place(0, "ISIC_0000000", -1)])
        readers.ask([Place(7, "ISIC_0000000", -1)])
        assert readers.take()[1].all()
        with pytest.raises(WorkError, match="reading pictures failed: IndexError: tuple index out of range"):
            readers.take()


LOOP = """
import signal
import sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background process of a shell ignores
from isic_lesion.image_models.reading import Place, ReadingSpec
from isic_lesion.image_models.reading_processes import ReadingProcesses

with ReadingProcesses(ReadingSpec((sys.argv[1],), 48, "bicubic", "none"), 2) as readers:
    for number in range(10**9):
        readers.ask([Place(0, "ISIC_0000000", -1)] * 64)
        if number > 3:
            readers.take()
            print("read", flush=True)
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_one_it_reads_for(ready: Pictures, ending: signal.Signals) -> None:
    command = [sys.executable, "-c", LOOP, ready.spec.files[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        for _ in range(4):
            assert main.stdout.readline() == "read\n"
        readers = psutil.Process(main.pid).children()
        assert len(readers) == 2
        main.send_signal(ending)
        _, told = main.communicate(timeout=20)
    _, left = psutil.wait_procs(readers, timeout=10)
    assert not left
    assert main.returncode == -ending
    assert told.count("Traceback") == (ending is signal.SIGINT)
    if ending is signal.SIGINT:
        assert told.rstrip().endswith("KeyboardInterrupt")


def test_a_machine_that_starts_no_process_is_told_in_one_line(ready: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    with pytest.raises(WorkError, match="no process that reads pictures could be started: No such file or directory"):
        list(load_batches(ready, [[Draw(0)]], workers=1))
