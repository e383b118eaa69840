"""The stages of image models in a plan: their counts, paces, memory and disk, and what is worth knowing of them."""

from __future__ import annotations

from collections.abc import Sequence

from furikaeri_common.gpu_kinds import reckoned_note, unfit_notes
from furikaeri_common.planning import HERE, Amount, Pace, PlannedStage, amount, given_rate, scaled, summed
from isic_lesion.image_models.config import ImageConfig
from isic_lesion.planning.image_paces import (
    ImagePlanning,
    building_seconds,
    is_reckoned,
    names_of,
    opening_seconds,
    paces_of,
    reading_seconds,
    writing_seconds,
)
from isic_lesion.planning.image_work import (
    ImageWork,
    NetworkWork,
    image_work,
    least_epochs,
    num_views,
    parts_of_run,
)
from isic_lesion.planning.network_facts import NetworkFacts, checkpoint_bytes, gpu_memory, network_bytes
from isic_lesion.planning.network_samples import NetworkSample
from isic_lesion.planning.sizes import up_to
from isic_lesion.planning.task_memory import network_memory
from isic_lesion.run_images import learns_from_past

__all__ = ["host_memory", "image_notes", "image_stages", "scoring_stages"]


def image_stages(planning: ImagePlanning) -> list[PlannedStage]:
    """Return the stages of each image model: its training, and the scoring of what its folds hold out.

    The training of one that stops early is two: networks of all lesions wait for those of the folds. The pictures of a
    set are all tried before its first model is trained.
    """
    stages, tried = [], set[bool]()
    for config in planning.recipe.images:
        work = image_work(config, planning.sizes, planning.recipe.folds, parts_of_run(planning.recipe))
        with_past = learns_from_past(config) and planning.sizes.past_pictures > 0
        stages += _stages_of(planning, config, work, 0 if with_past in tried else work.pictures)
        tried.add(with_past)
    return stages


def scoring_stages(planning: ImagePlanning) -> list[PlannedStage]:
    """Return a stage for each image model: the scoring of the test lesions, by the run's own process."""
    stages = []
    for config in planning.recipe.images if planning.sizes.test_rows else ():
        folds = planning.recipe.folds.count if planning.recipe.inference.boosters == "folds" else 1
        networks = folds * len(config.seeds)
        building = scaled(building_seconds(planning, config), networks)
        stages.append(
            PlannedStage(
                name=f"score {config.name}",
                count=amount(networks * planning.sizes.test_rows, "counted"),
                unit=_unit(config),
                paces={
                    kind: Pace(scored, opening=building) for kind, (_, scored) in paces_of(planning, config).items()
                },
            )
        )
    return stages


def _stages_of(planning: ImagePlanning, config: ImageConfig, work: ImageWork, looked: int) -> list[PlannedStage]:
    facts, sample = planning.facts[config.name], planning.samples.get(config.name)
    in_rounds = [network for network in work.networks if network.fold is not None]
    on_all = [network for network in work.networks if network.fold is None]
    name, note = f"image {config.name}", f"{len(work.networks)} networks of {config.epochs} epochs"
    groups = {name: list(work.networks)}
    least = least_epochs(config)
    if config.early_stopping is not None:
        groups = {name: in_rounds, f"{name}, all lesions": on_all}
        note = f"{len(work.networks)} networks of {least} to {config.epochs} epochs, for they stop early"
    note += f", {work.steps:,} steps in all"
    if sample is not None and sample.note:
        note += f"; {sample.note}"
    paces, memory = paces_of(planning, config), _memory(planning, config, facts, sample)
    stages = []
    for stage, networks in groups.items():
        if not networks:
            continue
        is_first = stage == name
        beside, opening = _beside(planning, config, networks, looked if is_first else 0)
        stages.append(
            PlannedStage(
                name=stage,
                count=_epochs_of(sum(one.images for one in networks), least, config.epochs),
                unit="images",
                tasks=len(networks),
                paces={kind: Pace(each, beside, opening) for kind, (each, _) in paces.items()},
                memory=memory,
                disk=amount(len(networks) * network_bytes(facts), "counted"),
                note=note if is_first else "",
            )
        )
    # With early stopping held-out pictures are scored once more every epoch.
    looks = (least + 1, config.epochs + 1) if config.early_stopping is not None else (1, 1)
    stages.append(
        PlannedStage(
            name=f"held out {config.name}",
            count=_epochs_of(work.scored, *looks),
            unit=_unit(config),
            tasks=len(in_rounds),
            paces={kind: Pace(scored) for kind, (_, scored) in paces.items()},
            memory=memory,
        )
    )
    return stages


def _unit(config: ImageConfig) -> str:
    views = num_views(config)
    return "images" if views == 1 else f"images x {views}"


def _epochs_of(count: int, least: int, most: int) -> Amount:
    return up_to(count, least=count * least // most)


def _beside(
    planning: ImagePlanning, config: ImageConfig, networks: Sequence[NetworkWork], looked: int
) -> tuple[Amount, Amount]:
    """Return the seconds of a network beside its pictures, and those of a process that tries so many pictures first."""
    facts = planning.facts[config.name]
    # A checkpoint every so many steps, and the network itself, which is written, read again and digested.
    steps = sum(network.steps for network in networks) / len(networks)
    kept = checkpoint_bytes(facts, config) * (steps // config.checkpoint_steps) + 3 * network_bytes(facts)
    beside = summed((building_seconds(planning, config), scaled(writing_seconds(planning, config), kept)))
    look = scaled(reading_seconds(planning, config)[0], looked)
    return beside, summed((opening_seconds(planning, config), look))


def _memory(planning: ImagePlanning, config: ImageConfig, facts: NetworkFacts, sample: NetworkSample | None) -> Amount:
    """Return the memory of one network: of a GPU, or of this machine where its processor trains."""
    on_gpu = sample is not None and sample.device.startswith("cuda")
    if HERE in planning.kinds and not on_gpu:
        return host_memory(config, facts, sample)
    if HERE in planning.kinds and sample is not None and sample.of_device and sample.batch == config.batch:
        return amount(float(sample.of_device), "measured", high=1.15 * sample.of_device)
    return gpu_memory(facts, config)


def host_memory(config: ImageConfig, facts: NetworkFacts, sample: NetworkSample | None) -> Amount:
    """Return the memory of this machine that the task of one network takes; without a sample, on a processor."""
    if sample is not None and sample.device.startswith("cuda"):
        # The network is on the GPU; a checkpoint is put together here, and the sample wrote none.
        likely = float(sample.memory) + checkpoint_bytes(facts, config)
        return amount(likely, "measured", low=0.9 * likely, high=1.15 * likely)
    told = network_memory(facts, config, idle=None if sample is None else sample.idle)
    if sample is None or sample.batch != config.batch:
        return told
    # A checkpoint is put together beside the rest; the sample wrote none of that size.
    likely = max(float(sample.memory), told.likely)
    return amount(likely, "measured", low=0.9 * likely, high=1.15 * likely)


def image_notes(planning: ImagePlanning) -> list[str]:
    """Return what is worth knowing of the image models: how GPUs were reckoned, what fits them, who feeds them."""
    images, gpus = planning.recipe.images, [kind for kind in planning.kinds if kind != HERE]
    if not images or not gpus:
        return []
    held = {config.name: gpu_memory(planning.facts[config.name], config).likely for config in images}
    notes = ["A scored view is taken to cost a third of a training step."]
    if any(given_rate(planning.rates, names_of(config), kind) for config in images for kind in gpus):
        notes.append(
            "Given rates are of steps alone; building networks and writing checkpoints are added by estimates."
        )
    reckoned = [kind for kind in gpus if is_reckoned(planning, kind)]
    if reckoned:
        notes = [reckoned_note(reckoned, "pictures"), _reading_note(planning), *notes]
    return [*notes, *unfit_notes(held, gpus, "cut steps into more pieces")]


def _reading_note(planning: ImagePlanning) -> str:
    rates = [1 / reading_seconds(planning, config)[1].likely for config in planning.recipe.images]
    told = " to ".join(dict.fromkeys(f"{rate:,.0f}" for rate in (min(rates), max(rates))))
    by = "a network's own process does so in turn with its steps, so both times add up; see --readers"
    if planning.readers:
        by = f"{planning.readers} do so for each network while it computes, and it waits where they are slower"
    basis = "here" if planning.pictures else "by an estimate"
    return f"reading: a process reads and augments {told} pictures a second {basis}; {by}."
