"""Where models are found, what is listed, and what may be deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError
from furikaeri_common.models.places import find_model, hub_folder, list_models, models_folder
from furikaeri_common.models.removal import remove_model


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    models, hub = tmp_path / "models", tmp_path / "hub"
    models.mkdir()
    monkeypatch.setenv("FURIKAERI_MODELS", str(models))
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    return models, hub


def folder(path: Path, **config: object) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"], **config}))
    return path


def gguf(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"GGUF")
    return path


def cached(hub: Path, name: str, revision: str = "a" * 40, files: tuple[str, ...] = ("config.json",)) -> Path:
    """Lay a model out as the hub's cache does: blobs, and snapshots of links to them."""
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    for number, file in enumerate(files):
        blob = repository / "blobs" / f"{number}{revision[:8]}"
        blob.parent.mkdir(exist_ok=True)
        blob.write_text('{"architectures": ["LlamaForCausalLM"]}')
        (snapshot / file).symlink_to(blob)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    return snapshot


def test_the_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert models_folder() == tmp_path / "models"
    monkeypatch.delenv("FURIKAERI_MODELS")
    assert models_folder() == Path.home() / ".cache/furikaeri/models"
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert hub_folder() == tmp_path / "home" / "hub"


def test_a_path_comes_before_a_name(places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, own = folder(tmp_path / "here" / "small"), folder(places[0] / "small")
    assert find_model(str(elsewhere)) == ("folder", elsewhere, "small", "")
    assert find_model("small").path == own
    monkeypatch.chdir(tmp_path / "here")
    assert find_model("small").path == Path("small")
    assert find_model("small").name == "small"


def test_a_gguf_is_found_with_and_without_its_ending(places: tuple[Path, Path], tmp_path: Path) -> None:
    own, other = gguf(places[0] / "small-q4.gguf"), gguf(tmp_path / "other.GGUF")
    for name in ("small-q4", "small-q4.gguf", str(own)):
        assert find_model(name) == ("gguf", own, "small-q4", "")
    assert find_model(str(other)) == ("gguf", other, "other", "")


def test_the_hub_cache_is_read_as_it_lies(places: tuple[Path, Path]) -> None:
    main = cached(places[1], "org/name")
    later = cached(places[1], "org/name", "b" * 40)
    (places[1] / "models--org--name/refs/main").write_text("a" * 40)
    assert find_model("org/name") == ("folder", main, "org/name", "a" * 40)
    (places[1] / "models--org--name/refs/main").unlink()
    main.rename(main.with_name("c" * 40))
    assert find_model("org/name").revision in (later.name, "c" * 40)
    one = cached(places[1], "org/one-GGUF", files=("only.gguf",))
    assert find_model("org/one-GGUF") == ("gguf", one / "only.gguf", "only", one.name)
    several = cached(places[1], "org/two-GGUF", files=("q4.gguf", "q8.gguf"))
    assert find_model("org/two-GGUF/q8.gguf").path == several / "q8.gguf"
    with pytest.raises(InputError, match=r"several GGUF files: q4\.gguf, q8\.gguf\. Name one: org/two-GGUF/q4\.gguf"):
        find_model("org/two-GGUF")


def test_a_missing_model_says_where_it_was_sought_and_what_is_near(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "one" / "two")
    gguf(places[0] / "smollm2-135m.gguf")
    cached(places[1], "org/smollm3")
    with pytest.raises(InputError) as raised:
        find_model("smollm2-135n")
    assert "there is smollm2-135m.gguf" in raised.value.message
    with pytest.raises(InputError, match=r"there is smollm2-135m\.gguf"):
        find_model("smolm2")  # short of the name's end, and misspelt
    assert str(places[0] / "smollm2-135n.gguf") in raised.value.message
    assert str(places[1]) in raised.value.message
    assert "hf download ORG/NAME" in raised.value.fix
    with pytest.raises(InputError, match="hf download nobody/none"):
        find_model("nobody/none")
    for name in ("", "  ", "x" * 5000, "../..", "a\0b"):
        with pytest.raises(InputError):
            find_model(name)


@pytest.mark.parametrize("name", ["notes.txt", "empty"])
def test_what_is_no_model_is_named(places: tuple[Path, Path], name: str) -> None:
    (places[0] / "notes.txt").write_text("no model")
    (places[0] / "empty").mkdir()
    with pytest.raises(InputError, match=f"{name}: is a f"):
        find_model(name)


def test_everything_is_listed_with_its_kind_and_size(places: tuple[Path, Path], tmp_path: Path) -> None:
    own, hub = places
    folder(own / "chat")
    (folder(own / "embed", architectures=["BertModel"]) / "modules.json").write_text("[]")
    folder(own / "photo", architectures=[], architecture="resnet18")
    gguf(own / "b.gguf")
    (own / "net.pth").write_bytes(b"x" * 10)
    (own / "link").symlink_to(folder(tmp_path / "outside"))
    (folder(own / "converted/b-0123456789ab") / "model.safetensors").write_bytes(b"x" * 5000)
    (own / "converted/.b-1.part").mkdir()
    cached(hub, "org/name", files=("config.json", "model.safetensors"))
    (hub / "datasets--org--data").mkdir()
    listed = {model.name: model for model in list_models()}
    assert {name: model.kind for name, model in listed.items()} == {
        "b.gguf": "gguf",
        "chat": "language",
        "converted/b-0123456789ab": "converted",
        "embed": "embedder",
        "link": "language",
        "net.pth": "vision",
        "photo": "vision",
        "org/name": "language",
    }
    removable = {name for name, model in listed.items() if model.removable}
    assert removable == {"chat", "converted/b-0123456789ab", "embed", "photo", "org/name"}
    assert listed["net.pth"].num_bytes == 10
    assert listed["converted/b-0123456789ab"].num_bytes >= 5000
    assert (
        listed["org/name"].num_bytes == 2 * len('{"architectures": ["LlamaForCausalLM"]}') + 40
    )  # and the revision's name


def test_only_what_is_ours_is_deleted(places: tuple[Path, Path], tmp_path: Path) -> None:
    own, _ = places
    chat, kept = folder(own / "chat"), gguf(own / "b.gguf")
    outside = folder(tmp_path / "outside")
    (own / "link").symlink_to(outside)
    (chat / "inner").symlink_to(outside)
    assert remove_model("chat").path == chat
    assert not chat.exists()
    assert list(own.glob(".*")) == []
    for name, why in (("b.gguf", "a file that was brought"), ("link", "a link")):
        with pytest.raises(InputError, match=why):
            remove_model(name)
    for name in (str(outside), "../outside", "chat", ".", "converted"):
        with pytest.raises(InputError, match="there is no model"):
            remove_model(name)
    assert (outside / "config.json").is_file()
    assert kept.is_file()


def test_a_model_of_the_hub_is_deleted_with_its_blobs(places: tuple[Path, Path]) -> None:
    pytest.importorskip("huggingface_hub")
    _, hub = places
    cached(hub, "org/name")
    cached(hub, "org/name", "b" * 40)
    other = cached(hub, "org/other")
    assert remove_model("org/name").where == "hub cache"
    assert not (hub / "models--org--name").exists()
    assert (other / "config.json").is_file()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_the_hub_cache_follows_the_hub_s_own_rules(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert hub_folder() == Path(expected)
