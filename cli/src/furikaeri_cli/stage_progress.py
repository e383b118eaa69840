"""Which stage of a run is under way, how far it is, and what each of them told, took and held."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from furikaeri_cli.output import Output

if TYPE_CHECKING:
    from furikaeri_common.stages import Stage, StageRecord

__all__ = ["STAGE_COLUMNS", "StageTeller", "stage_rows"]

STAGE_COLUMNS = ("stage", "what came out", "time", "memory")
_GIB = 2**30


class StageTeller:
    """Says which stage is under way, and shows how far its parts are.

    Args:
        output: the command's voice.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._shown = contextlib.ExitStack()
        self._tell: Callable[[Any], None] | None = None
        self._number = self._total = 0

    @contextlib.contextmanager
    def telling(self, total: int) -> Iterator[None]:
        """Number the stages of a block out of `total`; leaving it takes away what is still shown."""
        self._total = total
        with self._shown:
            yield

    def on_start(self, stage: Stage) -> None:
        """Say that a stage begins."""
        self._output.note(f"[{self._number + 1}/{self._total}] {stage.name}")

    def on_part(self, event: Any, showing: Callable[[], AbstractContextManager[Callable[[Any], None]]]) -> None:
        """Show an event of a stage's parts; `showing` opens what shows them, when there is none yet."""
        if self._tell is None:
            self._tell = self._shown.enter_context(showing())
        self._tell(event)

    def close_part(self) -> None:
        """Take away what shows the parts, before others follow."""
        self._shown.close()
        self._tell = None

    def on_end(self, record: StageRecord) -> None:
        """Note that a stage has ended, or was done before."""
        self.close_part()
        self._number += 1
        if record.reused:
            self._output.note(f"[{self._number}/{self._total}] {record.name}: done before")


def stage_rows(records: Sequence[StageRecord], told: Callable[[StageRecord], str]) -> list[tuple[str, ...]]:
    """Return a row for each stage, below `STAGE_COLUMNS`; `told` says what came out of one."""
    return [
        (
            record.name,
            told(record),
            "before" if record.reused else f"{record.seconds:.1f} s",
            f"{record.peak / _GIB:.2f} GiB",
        )
        for record in records
    ]
