"""Options from the environment and from a TOML file.

For an option, the command line wins over the environment, the environment over the file, the file over the default.
For the command `tq match` and its option `--seed`:

- environment: `TQ_MATCH_SEED`, else `TQ_SEED` (all of tq), else `FURIKAERI_SEED` (all commands);
- file (`--config FILE` or `FURIKAERI_CONFIG`): `seed` in `[tq.match]`, else in `[tq.all]`, else in `[all]`. Where a
  group has a command called `all`, as `tq precompute` has, its section is that command's.

A key that no command knows is an error, for a misspelt option that does nothing is the worst kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from furikaeri_common.errors import InputError

__all__ = ["SHARED", "environment_variables", "options_from", "read_settings"]

SHARED = "all"

Known = Callable[[Sequence[str]], Collection[str]]


def environment_variables(path: Sequence[str], option: str) -> list[str]:
    """Return the variables that set an option of a command, the most particular first.

    Args:
        path: the command's place, such as `("tq", "match")` or `("runs", "list")`.
        option: the parameter's name, such as `seed`.
    """
    own_prefix = path[:1] and path[0] in ("tq", "isic")
    names = [path[:length] if own_prefix else ("furikaeri", *path[:length]) for length in range(len(path), 0, -1)]
    return ["_".join((*name, option)).upper().replace("-", "_") for name in (*names, ("furikaeri",))]


def read_settings(file: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: if it is missing or not TOML; the message names the file and line.
    """
    import tomllib

    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{file}: not TOML ({error})") from error


def options_from(
    settings: Mapping[str, Any], path: Sequence[str], *, file: Path, options_of: Known, commands_of: Known
) -> dict[str, Any]:
    """Return the options that a settings file holds for one command, by parameter name.

    Args:
        settings: the whole file.
        path: the command's place, such as `("tq", "match")`.
        file: named in messages.
        options_of: the option names of a command, or of all commands below a group, given its path.
        commands_of: the names of the commands and groups directly below a group, given its path.

    Raises:
        InputError: on a section that is no command or a key that is no option of it.
    """
    _check_sections(settings, (), file=file, commands_of=commands_of)
    found: dict[str, Any] = {}
    own = options_of(path)
    section: Any = settings
    for depth in range(len(path)):
        is_shared = SHARED not in commands_of(path[:depth])
        shared = _options(section.get(SHARED, {}), (*path[:depth], SHARED), file) if is_shared else {}
        for key, value in shared.items():
            if key in own:
                found[key] = value
            elif key not in (below := options_of(path[:depth])):
                raise _unknown(file, (*path[:depth], SHARED), key, below, "option")
        section = section.get(path[depth], {})
    for key, value in _options(section, path, file).items():
        if key not in own:
            raise _unknown(file, path, key, own, "option")
        found[key] = value
    return found


def _options(section: object, path: Sequence[str], file: Path) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        raise InputError(
            f"{file}: {'.'.join(path)} is a value where a section is expected", fix=f"Write [{'.'.join(path)}]"
        )
    return {key.replace("-", "_"): value for key, value in section.items()}


def _check_sections(section: Mapping[str, Any], path: tuple[str, ...], *, file: Path, commands_of: Known) -> None:
    """Walk the groups: every key of a group names a command, a group, or the shared section."""
    known = commands_of(path)
    for key, value in section.items():
        if key == SHARED and SHARED not in known:
            continue
        if key not in known:
            raise _unknown(file, path, key, (*known, SHARED), "section")
        inner = _options(value, (*path, key), file)
        if commands_of((*path, key)):
            _check_sections(inner, (*path, key), file=file, commands_of=commands_of)


def _unknown(file: Path, path: Sequence[str], key: str, known: Collection[str], kind: str) -> InputError:
    where = f" in [{'.'.join(path)}]" if path else ""
    near = difflib.get_close_matches(key, known, n=1)
    fix = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(sorted(known))}"
    return InputError(f"{file}: unknown {kind} {key!r}{where}", fix=fix)
