"""Deleting models that are no longer wanted (io): what was made or fetched here, never what somebody brought."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import secrets
import shutil
from pathlib import Path

from furikaeri_common.errors import InputError, MissingExtraError, WorkError
from furikaeri_common.models.places import KeptModel, hub_folder, list_models, models_folder

__all__ = ["remove_model"]

_GONE = ".gone"
_LIST = "Run `furikaeri models list` to see what is here"


def remove_model(name: str) -> KeptModel:
    """Delete a folder of the models' folder, a converted copy, or a model of the hub's cache, and return what it was.

    Raises:
        InputError: if no model has this name, or it is not ours to delete: a file that somebody brought, a link.
        WorkError: if it cannot be deleted.
        MissingExtraError: for the hub's cache without the hub's own package, which knows what its models share.
    """
    models = list_models()
    model = next((model for model in models if model.name == name), None)
    if model is None:
        near = difflib.get_close_matches(name, [model.name for model in models], n=3)
        hint = f"; there is {', '.join(near)}" if near else ""
        raise InputError(f"there is no model {name!r} in {models_folder()} or {hub_folder()}{hint}", fix=_LIST)
    if not model.removable:
        what = "a link" if model.path.is_symlink() else "a file that was brought here, not made"
        raise InputError(f"{model.path}: is {what}, which is left alone", fix="Delete it by hand if it is to go")
    if model.where == "hub cache":
        _remove_from_hub(model)
    else:
        _remove_folder(model.path)
    return model


def _remove_folder(folder: Path) -> None:
    hidden = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}{_GONE}")
    try:
        folder.rename(hidden)  # at one stroke, so that nobody loads half a model
        for gone in folder.parent.glob(f".*{_GONE}"):
            shutil.rmtree(gone)
    except OSError as error:
        raise WorkError(f"{folder}: cannot be deleted ({error.strerror or error})") from error


def _remove_from_hub(model: KeptModel) -> None:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise MissingExtraError("deleting from the hub's cache", distribution="furikaeri-common", extra="llm")
    from huggingface_hub import scan_cache_dir

    try:
        scan = scan_cache_dir(hub_folder())
        found = [repo for repo in scan.repos if Path(repo.repo_path).resolve() == model.path.resolve()]
        revisions = [revision.commit_hash for repo in found for revision in repo.revisions]
        if not revisions:
            raise WorkError(f"{model.path}: the hub's own package cannot read it", fix="Delete the folder by hand")
        # Copies of a repository share revisions: the others must not be seen.
        dataclasses.replace(scan, repos=frozenset(found)).delete_revisions(*revisions).execute()
    except OSError as error:
        raise WorkError(f"{model.path}: cannot be deleted ({error.strerror or error})") from error
    if model.path.exists():
        raise WorkError(f"{model.path}: is still there", fix="See to its permissions and run the same command again")
