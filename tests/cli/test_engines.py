"""Options of engines: what tasks on a cluster get, and what is refused before a cluster is joined."""

from __future__ import annotations

import pytest

from furikaeri_cli.engines import engine_for
from furikaeri_cli.output import Output
from furikaeri_common.errors import InputError
from furikaeri_common.local_processes import LocalProcesses
from furikaeri_common.ray_cluster import RayCluster
from furikaeri_common.tasks import Engine


def chosen(devices: list[str], task_gpus: float | None = None, address: str = "10.0.0.1:6379") -> Engine:
    return engine_for("ray", address, None, task_gpus, None, output=Output("quiet"), own=1, devices=devices)


@pytest.mark.parametrize(
    ("devices", "task_gpus", "gpus"),
    [
        ([], None, 0.0),
        (["cpu"], None, 0.0),
        (["cuda"], None, 1.0),
        (["cuda:0"], 0.5, 0.5),
        (["cuda:1"], 2.0, 2.0),
        (["mps"], None, 1.0),
        (["auto"], None, None),
        (["auto"], 0.0, 0.0),
        (["auto", "cpu"], None, None),
        (["cpu", "cuda", "auto"], None, 1.0),
        (["cpu"], 1.0, 1.0),
    ],
)
def test_tasks_have_the_gpus_that_their_models_need_unless_told_otherwise(
    devices: list[str], task_gpus: float | None, gpus: float | None
) -> None:
    assert chosen(devices, task_gpus) == RayCluster("10.0.0.1:6379", gpus=gpus)


@pytest.mark.parametrize("device", ["xyz", "cuda:one", "cpu:0", ""])
def test_what_is_no_device_is_refused_before_a_cluster_is_joined(device: str) -> None:
    for devices in ([device], ["cpu", device]):
        with pytest.raises(InputError, match=f"unknown device '{device}'"):
            chosen(devices)


@pytest.mark.parametrize(("device", "task_gpus"), [("cuda", 0.0), ("cuda:1", None), ("cuda:2", 2.0)])
def test_a_gpu_that_a_task_would_not_see_is_refused(device: str, task_gpus: float | None) -> None:
    with pytest.raises(InputError, match=f"a model on {device}, and . GPUs? for each task: a task sees no others"):
        chosen([device], task_gpus)


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="garbage: expected HOST:PORT of a Ray cluster"):
        chosen([], address="garbage")


def test_devices_do_not_matter_to_processes_of_this_machine() -> None:
    given = engine_for("local", "", None, None, None, output=Output("quiet"), own=2, devices=["cuda:7"])
    assert given == LocalProcesses(2)
