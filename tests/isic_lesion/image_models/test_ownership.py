"""A checkpoint has one writer: whoever began last."""

from __future__ import annotations

from pathlib import Path

import pytest

from furikaeri_common.errors import WorkError
from isic_lesion.image_models.checkpoints import remove_checkpoint
from isic_lesion.image_models.ownership import mark_of, owning


def test_whoever_began_last_owns_a_training(tmp_path: Path) -> None:
    checkpoint = tmp_path / "unfinished" / "net.safetensors"
    with owning(checkpoint, "net, fold 1") as first:
        first()
        with owning(checkpoint, "net, fold 1") as second:
            second()
            with pytest.raises(WorkError, match="net, fold 1: another process has taken this training over"):
                first()
            second()
        assert not mark_of(checkpoint).exists()  # the second has ended and taken its mark along
        with pytest.raises(WorkError, match="taken this training over"):
            first()
    with owning(checkpoint, "net") as third:
        third()


def test_one_that_was_overtaken_leaves_its_successors_mark(tmp_path: Path) -> None:
    checkpoint = tmp_path / "net.safetensors"
    with owning(checkpoint, "net"):
        before = mark_of(checkpoint).read_bytes()
        mark_of(checkpoint).write_bytes(b"of another machine")
    assert mark_of(checkpoint).read_bytes() == b"of another machine" != before
    remove_checkpoint(checkpoint)  # as what a killed process left is removed
    assert not [*tmp_path.iterdir()]
    with owning(None, "net") as unkept:
        unkept()
