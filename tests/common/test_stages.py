"""Stages are done once, in order, and go on where they were interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from furikaeri_common.artifacts import read_json, write_bytes
from furikaeri_common.memory import watching_memory
from furikaeri_common.stages import Stage, run_stages


def stages_of(folder: Path, done: list[str], *, sizes: tuple[int, ...] = (1, 2, 3)) -> list[Stage]:
    def stage(number: int, size: int) -> Stage:
        out = folder / f"out-{number}"

        def work() -> dict[str, Any]:
            done.append(f"stage-{number}")
            write_bytes(out, b"x" * size)
            return {"size": size}

        return Stage(f"stage-{number}", work, {"size": size}, (out,))

    return [stage(number, size) for number, size in enumerate(sizes)]


def test_every_stage_is_done_once(tmp_path: Path) -> None:
    done: list[str] = []
    first = run_stages(tmp_path, stages_of(tmp_path, done))
    again = run_stages(tmp_path, stages_of(tmp_path, done))
    assert done == ["stage-0", "stage-1", "stage-2"]
    assert [record.facts for record in first] == [record.facts for record in again] == [{"size": n} for n in (1, 2, 3)]
    assert not any(record.reused for record in first)
    assert all(record.reused for record in again)
    assert [record.name for record in again] == done
    assert all(record.peak > 1_000_000 for record in first)


def test_a_changed_stage_and_all_after_it_are_done_again(tmp_path: Path) -> None:
    done: list[str] = []
    run_stages(tmp_path, stages_of(tmp_path, done))
    done.clear()
    run_stages(tmp_path, stages_of(tmp_path, done, sizes=(1, 5, 3)))
    assert done == ["stage-1", "stage-2"]


def test_a_missing_output_is_made_again(tmp_path: Path) -> None:
    done: list[str] = []
    run_stages(tmp_path, stages_of(tmp_path, done))
    done.clear()
    (tmp_path / "out-1").unlink()
    run_stages(tmp_path, stages_of(tmp_path, done))
    assert done == ["stage-1"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"mark": 1}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: bytes) -> None:
    done: list[str] = []
    run_stages(tmp_path, stages_of(tmp_path, done))
    done.clear()
    (tmp_path / "stages" / "stage-2.json").write_bytes(content)
    run_stages(tmp_path, stages_of(tmp_path, done))
    assert done == ["stage-2"]


def test_an_interrupted_stage_finds_what_it_had_made_unless_its_inputs_changed(tmp_path: Path) -> None:
    out = tmp_path / "parts"
    found: list[list[str]] = []

    def work() -> dict[str, Any]:
        found.append(sorted(path.name for path in out.glob("*")))
        out.mkdir(exist_ok=True)
        (out / f"part-{len(found)}").touch()
        if len(found) < 3:
            raise KeyboardInterrupt
        return {}

    for value in (1, 1):
        with pytest.raises(KeyboardInterrupt):
            run_stages(tmp_path, [Stage("parts", work, {"value": value}, (out,))])
    assert not read_json(tmp_path / "stages" / "parts.json")["done"]
    run_stages(tmp_path, [Stage("parts", work, {"value": 2}, (out,))])
    assert found == [[], ["part-1"], []]


def test_the_ends_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        run_stages(
            tmp_path,
            stages_of(tmp_path, []),
            on_start=lambda stage: told.append(f"> {stage.name}"),
            on_end=lambda record: told.append(record.name),
        )
    names = ["stage-0", "stage-1", "stage-2"]
    assert told == [word for name in names for word in (f"> {name}", name)] + names


def test_names_are_distinct(tmp_path: Path) -> None:
    stage = stages_of(tmp_path, [])[0]
    with pytest.raises(ValueError, match="distinct"):
        run_stages(tmp_path, [stage, stage])


def test_memory_is_watched_while_it_is_held() -> None:
    with watching_memory(every=0.005) as before:
        pass
    with watching_memory(every=0.005) as watch:
        held = bytearray(b"x" * 200_000_000)
        watch.look()
        del held
    assert watch.peak - before.peak > 150_000_000


def test_the_watch_needs_a_moment() -> None:
    with pytest.raises(ValueError, match="every > 0"), watching_memory(every=0):
        pass
