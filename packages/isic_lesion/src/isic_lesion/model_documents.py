"""The `model.json` of a model's folder, whatever kind of model it is. (io)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from furikaeri_common.artifacts import read_json
from furikaeri_common.errors import InputError

__all__ = ["AGAIN", "MODEL_DOCUMENT", "read_model_document"]

MODEL_DOCUMENT = "model.json"
AGAIN = "Copy the folder again, or train the model again"

Record = TypeVar("Record")


def read_model_document(
    folder: Path, what: str, kind: str, form: int, record_of: Callable[[dict[str, Any]], Record]
) -> Record:
    """Return what a model's folder says of itself.

    Args:
        folder: the model's.
        what: the model is expected to be, such as "table model".
        kind: how the document names that.
        form: the number of its format.
        record_of: what makes a record of it.

    Raises:
        InputError: if the folder has no such document, or it is damaged or of another kind.
    """
    path = Path(folder) / MODEL_DOCUMENT
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder of a model")
    if not path.exists():
        raise InputError(f"{folder}: holds no {MODEL_DOCUMENT}: no model, or one whose training was interrupted")
    document = read_json(path)
    if not isinstance(document, dict) or document.get("kind") != kind:
        raise InputError(f"{path}: describes no {what}", fix=f"Give the folder of a trained {what}")
    if document.get("format") != form:
        raise InputError(f"{path}: is of format {document.get('format')!r}, not {form}", fix="Train the model again")
    try:
        return record_of(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: is damaged ({said})", fix=AGAIN) from error
