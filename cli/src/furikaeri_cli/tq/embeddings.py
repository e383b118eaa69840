"""Which sentence embedder a command uses, and what is said where there is none."""

from __future__ import annotations

from furikaeri_cli.output import Output
from furikaeri_common.embedders import DEFAULT_EMBEDDER, Encoder
from furikaeri_common.errors import InputError, MissingExtraError

__all__ = ["encoder_for"]


def encoder_for(embeddings: str, device: str, output: Output, without: str) -> tuple[Encoder | None, str]:
    """Open the embedder that an option names.

    Args:
        embeddings: a folder or name; "auto": the usual one if it is here; "off": none.
        device: as `devices.choose_device` takes it.
        output: hears when "auto" finds none.
        without: what follows from having none, such as "There are no embedding scores".

    Returns:
        The encoder and its name; None and "off" where there is none.

    Raises:
        InputError: if the embedder that was named is not here or cannot be used.
    """
    if embeddings == "off":
        return None, "off"
    from furikaeri_common.devices import choose_device
    from furikaeri_common.embedders import open_embedder
    from furikaeri_common.models.places import models_folder

    name = DEFAULT_EMBEDDER if embeddings == "auto" else embeddings
    where = choose_device(device).device
    try:
        return open_embedder(name, folders=[models_folder()], device=where), name
    except (InputError, MissingExtraError) as error:
        if embeddings != "auto":
            raise
        output.note(f"{without}: {error}")
        return None, "off"
