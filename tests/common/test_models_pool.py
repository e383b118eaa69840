"""The pool holds what fits, evicts what is least useful, and frees it for certain."""

from __future__ import annotations

import gc
import importlib.util
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from furikaeri_common.devices import DeviceChoice
from furikaeri_common.errors import InputError, WorkError
from furikaeri_common.models.budget import default_budget, predicted_bytes
from furikaeri_common.models.places import Place
from furikaeri_common.models.pool import ModelPool, Opened
from furikaeri_common.models.rotation import least_loads

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


class Thing:
    """Something that can be held."""

    def __init__(self, name: str) -> None:
        self.name = name


class Opener:
    """Opens things of given sizes, and remembers what it opened and what was closed."""

    def __init__(self, **sizes: int) -> None:
        self.sizes, self.opened, self.closed = sizes, list[str](), list[str]()

    def __call__(self, name: str) -> Opened[Thing]:
        self.opened.append(name)
        thing = Thing(name)
        return Opened(thing, self.sizes[name], (thing,), lambda: self.closed.append(name))


def pool_of(budget: int, **sizes: int) -> tuple[ModelPool[Thing], Opener]:
    opener = Opener(**sizes)
    return ModelPool(budget, opener, predict=sizes.__getitem__), opener


def touch(pool: ModelPool[Thing], names: str) -> None:
    for name in names:
        with pool.use(name) as lease:
            assert lease.value.name == name


def test_what_fits_stays_and_the_least_recently_used_goes() -> None:
    pool, opener = pool_of(2, a=1, b=1, c=1)
    touch(pool, "abac")
    assert pool.resident == ("a", "c")
    assert opener.opened == ["a", "b", "c"]
    assert opener.closed == ["b"]
    assert pool.counts[:3] == (3, 1, 3)


def test_a_large_model_pushes_out_as_many_as_it_must() -> None:
    pool, _ = pool_of(4, a=1, b=1, c=1, d=3)
    touch(pool, "abcd")
    assert pool.resident == ("c", "d")


def test_a_lease_is_over_with_its_block() -> None:
    pool, _ = pool_of(1, a=1)
    with pool.use("a") as lease:
        assert lease.loaded
    with pytest.raises(RuntimeError, match="given back"):
        _ = lease.value
    with pool.use("a") as lease:
        assert not lease.loaded


def test_a_model_that_somebody_keeps_is_named_and_counts_until_it_is_gone() -> None:
    pool, _ = pool_of(1, a=1, b=1)
    with pool.use("a") as lease:
        kept = lease.value
    with pytest.raises(WorkError, match=r"model a was evicted, but its .* still referenced. Keep no reference"):
        touch(pool, "b")
    with pytest.raises(WorkError, match="no room for the model b beside what was not freed"):
        touch(pool, "b")
    del kept
    gc.collect()
    touch(pool, "b")
    assert pool.resident == ("b",)


def test_a_model_beyond_the_budget_is_refused_before_it_is_loaded() -> None:
    pool, opener = pool_of(3, a=1, big=4)
    touch(pool, "a")
    with pytest.raises(InputError, match=r"the model big takes .* may take .*--weights 4bit"), pool.use("big"):
        pass
    assert opener.opened == ["a"]
    assert pool.resident == ("a",)


@pytest.mark.parametrize("size", [3, 9])
def test_a_model_larger_than_predicted_makes_room_or_goes(size: int) -> None:
    opener = Opener(a=1, b=1, c=size)
    pool = ModelPool(4, opener, predict=lambda name: 1)
    touch(pool, "ab")
    if size == 9:
        with pytest.raises(InputError, match="the model c takes"):
            touch(pool, "c")
        assert "c" in opener.closed
        assert "c" not in pool.resident
    else:
        touch(pool, "c")
        assert pool.resident == ("b", "c")
        assert pool.size_of("c") == 3


def test_an_opener_that_fails_leaves_the_pool_as_it_was() -> None:
    pool, _ = pool_of(2, a=1, b=1)
    touch(pool, "a")
    pool._opener = lambda name: (_ for _ in ()).throw(InputError("there is no such model"))
    with pytest.raises(InputError, match="no such model"), pool.use("b"):
        pass
    assert pool.resident == ("a",)
    assert pool.in_use == frozenset()


def test_what_is_in_use_is_not_evicted() -> None:
    pool, _ = pool_of(1, a=1, b=1)
    with pool.use("a"):
        with pytest.raises(WorkError, match="no room for the model b beside a"), pool.use("b"):
            pass
        with pytest.raises(WorkError, match="in use"):
            pool.evict("a")
        with pytest.raises(WorkError, match="no room for the model a beside a"), pool.use("a"):
            pass
        pool.close()
        assert pool.resident == ("a",)
    touch(pool, "b")
    pool.close()
    assert pool.resident == ()


def test_one_that_needs_room_waits_for_it() -> None:
    pool, _ = pool_of(1, a=1, b=1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with pool.use("a"):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    start = time.monotonic()
    with pytest.raises(WorkError, match="no room"), pool.use("b", wait=0.05):
        pass
    assert 0.05 <= time.monotonic() - start < 5
    threading.Timer(0.05, done.set).start()
    with pool.use("b", wait=10) as lease:
        assert lease.value.name == "b"
    thread.join()


def play_rounds(pool: ModelPool[Thing], names: str, rounds: int) -> int:
    for done in range(rounds):
        order = pool.order_round(names, rounds=rounds - done)
        assert sorted(order) == sorted(names)
        touch(pool, "".join(order))
    return pool.counts.loads


@pytest.mark.parametrize(("models", "fitting"), [(3, 1), (3, 2), (4, 2), (5, 3), (2, 4)])
def test_a_game_loads_the_least_there_is(models: int, fitting: int) -> None:
    names = "abcde"[:models]
    pool, _ = pool_of(10 * fitting + 9, **dict.fromkeys(names, 10))
    assert play_rounds(pool, names, 20) == least_loads(models, fitting, 20)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 10), st.integers(1, 5))
def test_the_pool_does_as_planned_for_any_sizes(sizes: list[int], more: int, rounds: int) -> None:
    from furikaeri_common.models.rotation import plan

    names = "abcd"[: len(sizes)]
    pool, _ = pool_of(max(sizes) + more, **dict(zip(names, sizes, strict=True)))
    assert play_rounds(pool, names, rounds) == plan(sizes, pool.budget, rounds=rounds).loads


def test_the_plan_keeps_what_the_next_round_starts_with() -> None:
    pool, opener = pool_of(1, g=1, l=1, m=1)
    orders = []
    for _ in range(3):
        orders.append("".join(pool.order_round("glm")))
        touch(pool, orders[-1])
    assert orders == ["glm", "mgl", "lmg"]
    assert len(opener.opened) == 7


def test_models_outside_the_round_go_first() -> None:
    pool, _ = pool_of(3, a=1, b=1, x=1, c=1)
    touch(pool, "abx")
    pool.order_round("abc")
    touch(pool, "c")
    assert set(pool.resident) == {"a", "b", "c"}


def test_a_round_is_ordered_around_what_is_in_use() -> None:
    pool, _ = pool_of(2, a=1, b=1, c=2)
    with pool.use("a"):
        assert pool.order_round("abc") == ("b", "a", "c")


def test_a_budget_holds_something() -> None:
    with pytest.raises(ValueError, match="budget above 0"):
        ModelPool(0, Opener())


@pytest.mark.parametrize(
    ("total", "free", "expected"), [(100, 50, 40), (100, None, 40), (None, 1000, 800), (100, 1, 1)]
)
def test_the_default_budget_leaves_headroom(total: int | None, free: int | None, expected: int) -> None:
    assert default_budget(DeviceChoice("cpu", "float32", "it was asked for", total, free)) == expected


@pytest.mark.parametrize(("free", "message"), [(None, "does not tell"), (0, "no free memory")])
def test_without_known_memory_there_is_no_default(free: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        default_budget(DeviceChoice("mps", "float16", "torch finds it", None, free))


def safetensors_folder(folder: Path, **shapes: tuple[int, ...]) -> Place:
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return Place("folder", folder, folder.name)


def test_the_headers_tell_how_large_a_model_will_be(tmp_path: Path) -> None:
    place = safetensors_folder(tmp_path, embed_tokens=(10, 8), up=(64, 64), norm=(8,))
    rest, linear = 88, 64 * 64
    assert predicted_bytes(place, "full", "bfloat16") == 2 * (rest + linear)
    assert predicted_bytes(place, "full", "float32") == 4 * (rest + linear)
    assert predicted_bytes(place, "8bit", "float16") == 2 * rest + linear
    assert 2 * rest + linear / 2 < predicted_bytes(place, "4bit", "float16") < 2 * rest + 0.52 * linear


def test_a_gguf_file_says_how_many_weights_it_holds(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the extra `llm` is not installed")
    writer = gguf.GGUFWriter(tmp_path / "small.gguf", "llama")
    writer.add_tensor("up", np.zeros((64, 32), np.float32))
    for write in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        write()
    place = Place("gguf", tmp_path / "small.gguf", "small")
    assert predicted_bytes(place, "full", "bfloat16") == 2 * 64 * 32
    assert predicted_bytes(place, "8bit", "bfloat16") == 64 * 32


def resident_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


def cyclic_module(num_bytes: int) -> object:
    """A module that only the collector of cycles can free, as those of transformers may be."""
    import torch

    module = torch.nn.Linear(1024, num_bytes // 4096, bias=False)
    module.itself = [module]
    return module


@needs_torch
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what is resident so exactly")
def test_the_memory_of_a_torch_module_goes_back_to_the_system() -> None:
    import torch

    torch.zeros(1)
    num_bytes = 64 * 2**20

    def open_module(name: str) -> Opened[object]:
        module = cyclic_module(num_bytes)
        return Opened(module, num_bytes, (module,))

    pool = ModelPool(num_bytes, open_module, predict=lambda name: num_bytes)
    with pool.use("a"):
        before = resident_bytes()
    for name in "bcabc":
        with pool.use(name):
            assert abs(resident_bytes() - before) < 0.25 * num_bytes
    pool.close()
    assert before - resident_bytes() > 0.75 * num_bytes


@needs_torch
def test_a_module_that_is_kept_is_not_passed_over() -> None:
    keep: Callable[[object], None] = [].append

    def open_module(name: str) -> Opened[object]:
        module = cyclic_module(4096)
        keep(module)
        return Opened(module, 4096, (module,))

    pool = ModelPool(4096, open_module)
    with pool.use("a"):
        pass
    with pytest.raises(WorkError, match="model a was evicted"):
        pool.evict("a")


def test_the_pool_does_without_torch() -> None:
    pool, _ = pool_of(1, a=1, b=1)
    torch = sys.modules.pop("torch", None)
    try:
        touch(pool, "ab")
        assert "torch" not in sys.modules
    finally:
        if torch is not None:
            sys.modules["torch"] = torch
