"""An agent whose answers models vote on: packed with its models or without, and proved to play."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from furikaeri_common.errors import InputError, WorkError
from twenty_questions.clean_room import INTERVIEW
from twenty_questions.labelling.labeller import LabellerConfig
from twenty_questions.packed_main import MAIN_WITH_MODELS
from twenty_questions.packed_models import LIBRARIES, link_packages, models_to_pack
from twenty_questions.packing import pack, prove
from twenty_questions.panel import PanelConfig, open_packed_panel, open_panel, panel_of
from twenty_questions.votes import VoteConfig

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")), reason="torch is not installed"
)

TEMPLATE = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}<assistant>"


def make_model(folder: Path, seed: int) -> Path:
    """Write an untrained model of two layers that reads bytes and can say yes and no."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: number for number, text in enumerate(["<eos>", *letters, "ye", "yes", "no"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("y", "e"), ("ye", "s"), ("n", "o")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>")
    fast.chat_template = TEMPLATE
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=0,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("models")
    found = [make_model(place / name, seed) for seed, name in enumerate(("ada", "bea"))]
    (found[0] / "notes.md").write_text("not for the contest")
    (found[0] / "pytorch_model.bin").write_bytes(b"may run code")
    return found


@pytest.fixture(scope="module")
def panel(models: list[Path]) -> PanelConfig:
    asked = panel_of([str(folder) for folder in models], weights="full")
    assert asked is not None
    return asked


def contents(tarball: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive.getmembers()}


def test_the_models_go_into_the_tarball(toy_folder, toy_vocabulary, models, panel) -> None:
    tarball = pack(toy_folder, models_to_pack(panel), vocabulary=toy_vocabulary)
    held = contents(tarball)
    assert held["main.py"].decode() == MAIN_WITH_MODELS
    assert held["models/ada/model.safetensors"] == (models[0] / "model.safetensors").read_bytes()
    assert {"models/bea/config.json", "models/bea/tokenizer.json", "twenty_questions/voting.py"} <= set(held)
    assert {"furikaeri_common/models/pool.py", "twenty_questions/labelling/opening.py"} <= set(held)
    assert not {"models/ada/notes.md", "models/ada/pytorch_model.bin", "twenty_questions/packing.py"} & set(held)
    assert all(str(models[0].parent).encode() not in content for content in held.values())
    assert pack(toy_folder, models_to_pack(panel), vocabulary=toy_vocabulary) == tarball


def test_mounted_models_stay_outside(toy_folder, toy_vocabulary, panel) -> None:
    held = contents(pack(toy_folder, models_to_pack(panel, "/kaggle/input/ours"), vocabulary=toy_vocabulary))
    assert not any(name.startswith("models/") for name in held)
    document = json.loads(held["panel.json"])
    assert document["models_at"] == "/kaggle/input/ours"
    assert [model["model"] for model in document["panel"]["models"]] == ["ada", "bea"]


def test_a_packed_panel_finds_its_models_and_its_prompt(models, panel, tmp_path) -> None:
    prompt = tmp_path / "mine.toml"
    prompt.write_text('system = "Say yes or no."\n')
    own = panel_of([str(models[0])], prompt=str(prompt))
    packed = models_to_pack(own, str(models[0].parent))
    assert packed.files == {"prompt.toml": prompt}
    folder = tmp_path / "agent"
    folder.mkdir()
    (folder / "panel.json").write_text(json.dumps(packed.document))
    shutil.copyfile(prompt, folder / "prompt.toml")
    voter = open_packed_panel(folder)
    assert voter.names == (str(models[0]),)
    assert voter.vote("kite", "Is it a toy?").missing == ()
    (folder / "models").mkdir()
    (folder / "models" / "ada").symlink_to(models[0])
    assert open_packed_panel(folder).names == (str(folder / "models" / "ada"),)


def test_models_with_prompts_of_their_own_keep_them(models, tmp_path) -> None:
    prompts = [tmp_path / "one.toml", tmp_path / "two.toml"]
    for number, prompt in enumerate(prompts):
        prompt.write_text(f'system = "{number}"\n')
    asked = zip(models, prompts, strict=True)
    panel = PanelConfig(models=tuple(LabellerConfig(model=str(path), prompt=str(prompt)) for path, prompt in asked))
    packed = models_to_pack(panel, "/kaggle/input/ours")
    assert packed.files == {"prompt.toml": prompts[0], "prompt-2.toml": prompts[1]}
    assert [model["prompt"] for model in packed.document["panel"]["models"]] == ["prompt.toml", "prompt-2.toml"]


def test_a_panel_that_is_none_is_refused(tmp_path) -> None:
    (tmp_path / "panel.json").write_text("[]")
    with pytest.raises(InputError, match=r"panel\.json: holds no panel"):
        open_packed_panel(tmp_path)


def test_it_plays_and_votes_with_nothing_else_around_though_a_model_is_damaged(
    toy_folder, toy_vocabulary, models, tmp_path
) -> None:
    broken = shutil.copytree(models[1], tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    packed = models_to_pack(panel_of([*map(str, models), str(broken)]), "/nowhere/here")
    proof = prove(pack(toy_folder, packed, vocabulary=toy_vocabulary), matches=1, engine=False, models=packed.folders)
    assert (proof.matches, proof.engine) == (2, None)
    assert proof.found >= 1
    assert proof.models.questions == len(INTERVIEW)
    assert proof.models.votes == 2 * len(INTERVIEW)
    assert "broken/model.safetensors: is not a whole safetensors file" in " ".join(proof.models.failures.values())


def test_models_that_cannot_vote_are_not_proved(toy_folder, toy_vocabulary, panel) -> None:
    packed = models_to_pack(panel, "/nowhere/here")
    with pytest.raises(WorkError, match=r"models that do not vote .*there is no model"):
        prove(pack(toy_folder, packed, vocabulary=toy_vocabulary), matches=1, engine=False)


def test_what_cannot_be_packed_is_refused(models, tmp_path) -> None:
    twin = shutil.copytree(models[0], tmp_path / "ada")
    with pytest.raises(InputError, match="two models are called ada"):
        models_to_pack(panel_of([str(models[0]), str(twin)]))
    (tmp_path / "small.gguf").touch()
    with pytest.raises(InputError, match="is a GGUF file"):
        models_to_pack(panel_of([str(tmp_path / "small.gguf")]))
    with pytest.raises(InputError, match="no network"):
        models_to_pack(PanelConfig(models=(LabellerConfig(model="m", base_url="http://localhost:1/v1"),)))


def test_a_panel_is_checked_where_it_is_named(models) -> None:
    assert panel_of([]) is None
    with pytest.raises(InputError, match="each model once"):
        panel_of([str(models[0])] * 2)
    with pytest.raises(InputError, match="there is no model 'nowhere'"):
        panel_of(["nowhere"])
    with pytest.raises(InputError, match="no prompt 'odd'"):
        panel_of([str(models[0])], prompt="odd")
    assert panel_of(["anything"], base_url="http://localhost:1/v1") is not None
    with pytest.raises(ValueError, match="1 to 10 models"):
        PanelConfig(models=())


def test_real_models_take_turns_in_little_memory_and_vote_alike(models, panel) -> None:
    roomy, tight = open_panel(panel), open_panel(panel_with_room_for_one(panel))
    for question in ("Is it a toy?", "Can it fly?"):
        assert roomy.vote("kite", question) == tight.vote("kite", question)
    assert roomy.pool.counts.loads == 2
    assert tight.pool.counts.loads == 3
    assert tight.pool.counts.evictions == 2
    tight.close()
    assert tight.pool.resident == ()


def panel_with_room_for_one(panel: PanelConfig) -> PanelConfig:
    voter = open_panel(panel)
    room = int(1.5 * max(voter.pool.size_of(name) for name in voter.names))
    return PanelConfig(models=panel.models, vote=VoteConfig(stop_when_decided=False), budget=room)


def test_a_site_holds_what_models_need_and_nothing_of_ours(tmp_path) -> None:
    link_packages(tmp_path, LIBRARIES)
    held = {path.name for path in tmp_path.iterdir()}
    assert {"torch", "transformers", "tokenizers", "numpy"} <= held
    assert not held & {"furikaeri_common", "twenty_questions", "pytest"}
