"""TOML files that a person names, where some documents come by name already (io)."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from furikaeri_common.errors import InputError

__all__ = ["read_toml"]


def read_toml(path: Path, *, asked: str, what: str, names: Sequence[str]) -> dict[str, Any]:
    """Return what a file says.

    Args:
        path: of the file.
        asked: what the person said, which may have been meant as a name.
        what: the document is, such as "recipe".
        names: of those that come by name.

    Raises:
        InputError: if there is no such file, it cannot be read, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = difflib.get_close_matches(asked, names, n=1)
        raise InputError(
            f"{asked}: no {what} of this name and no such file",
            fix=f"Did you mean {near[0]}?" if near else f"By name there are: {', '.join(names)}",
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no TOML ({error})") from error
