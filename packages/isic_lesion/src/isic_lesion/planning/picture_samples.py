"""How fast this machine reads pictures, which a GPU of whatever kind must wait for. (io)

A sample needs no network: it decodes made-up pictures of the contest's kind, and augments them as a model's training
does, in one process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from furikaeri_common.configs import config_from
from furikaeri_common.tasks import Engine, Task, run_tasks
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.planning.timings import Timing, Watch, only_value

__all__ = ["BENIGN", "MALIGNANT", "PictureSample", "made_up_pictures", "measure_pictures", "sample_pictures"]

MALIGNANT, BENIGN = 32, 96
"""The made-up pictures."""


class PictureSample(NamedTuple):
    """What pictures cost before a model looks at them; the units are pictures.

    Attributes:
        looked: that were only tried, as all are before training.
        augmented: that were read for training.
        plain: that were read to be scored.
    """

    looked: Timing
    augmented: Timing
    plain: Timing


def made_up_pictures(folder: Path, engine: Engine) -> Path:
    """Make a small data folder with pictures of the contest's sizes, to be measured with."""
    from isic_lesion.synthetic.folder import FolderConfig, make_folder

    rows = MALIGNANT + BENIGN
    config = FolderConfig(rows=rows, patients=8, malignant_share=MALIGNANT / rows, test_rows=1, test_patients=1)
    return make_folder(folder, config, engine=engine).folder


def sample_pictures(
    configs: Sequence[ImageConfig], pictures: Path, store: Path, *, engine: Engine
) -> dict[str, PictureSample]:
    """Measure what pictures cost, by the name of the model.

    Args:
        configs: of the models, at least one.
        pictures: of `made_up_pictures`.
        store: a folder for what the task leaves.
        engine: where.

    Raises:
        WorkError: if it cannot be measured.
    """
    inputs = {"configs": [config.to_json() for config in configs], "pictures": str(pictures)}
    report = run_tasks(
        measure_pictures, [Task("pictures", inputs)], store=store, engine=engine, retries=0, reads=[pictures]
    )
    return {name: PictureSample(*(Timing(*one) for one in told)) for name, told in only_value(report).items()}


def measure_pictures(inputs: Mapping[str, Any], folder: Path) -> Any:
    """Measure what pictures cost: the task of `sample_pictures`.

    Args:
        inputs: `configs` and `pictures` (a folder).
        folder: of the task; nothing is left there.

    Returns:
        name of a model -> a `PictureSample` as JSON has it.
    """
    import torch

    from isic_lesion.data.dataset import open_lesions
    from isic_lesion.image_models.backbones import open_backbone
    from isic_lesion.image_models.pictures import Draw, check_pictures, load_batches, open_pictures
    from isic_lesion.image_models.rows import read_image_rows

    lesions = open_lesions(Path(inputs["pictures"]))
    assert lesions.images is not None
    rows = read_image_rows(lesions.metadata, lesions.images)
    count = len(rows.frame)
    check_pictures(rows, "skip")  # the first time libraries are read

    watch = Watch()
    check_pictures(rows, "skip")
    looked = watch.lap(count)
    found = {}
    for told in inputs["configs"]:
        config = config_from(ImageConfig, told, source="the task")
        with torch.device("meta"):
            wanted = open_backbone(config.backbone, "none", size=config.size).inputs
        laps = []
        for augmentation, draws in (
            (config.augmentation, [Draw(row, row) for row in range(count)]),
            ("none", [Draw(row) for row in range(count)]),
        ):
            opened = open_pictures(rows, wanted, augmentation)
            watch.lap(0)
            for _ in load_batches(opened, [draws]):
                pass
            laps.append(watch.lap(count))
        found[config.name] = [list(lap) for lap in (looked, *laps)]
    return found
