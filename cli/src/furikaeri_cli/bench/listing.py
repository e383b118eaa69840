"""The benchmarks of a folder: its `benchmarks.toml` says what each is called with, needs, and takes (io).

    [selection]
    what = "choosing a question of a large table"
    quick = ["--keywords", "5000", "--questions", "500", "--runs", "3"]
    seconds = { quick = 20, full = 90 }

`full` has arguments for the full sizes, and `quick = false` leaves a benchmark out of quick runs. In arguments,
`{data}`, `{models}` and `{folder}` become the folder of real data, that of models, and one that the run keeps for the
benchmark until it has ended well.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from furikaeri_common.errors import InputError

__all__ = ["LIST", "SIZES", "Benchmark", "Size", "choose", "read_benchmarks"]

LIST = "benchmarks.toml"
Size = Literal["quick", "full"]

SIZES: tuple[Size, ...] = ("quick", "full")

_NEEDS = ("data", "model", "weights", "wordnet", "package")
_TIMES = 10  # what a benchmark may take, by what it is said to take
_LEAST = 300.0  # seconds that each may take
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class Benchmark(NamedTuple):
    """One benchmark.

    Args:
        name: the key in the list.
        what: it measures, in a few words.
        script: the file.
        arguments: of it, for each size; one that is too large for a quick run has none for it.
        seconds: that it takes about on two cores, for each size that it has.
        timeout: seconds after which it is ended, for each size that it has.
        needs: what must be on this machine, such as "wordnet" or "data tq/gold_answers.csv" (see `needs.missing`).
        environment: variables that it is run with.
    """

    name: str
    what: str
    script: Path
    arguments: Mapping[Size, tuple[str, ...]]
    seconds: Mapping[Size, float]
    timeout: Mapping[Size, float]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}


def read_benchmarks(folder: Path) -> list[Benchmark]:
    """Return the benchmarks that a folder lists, in its order.

    Raises:
        InputError: if there is no such list, or an entry is not one; the message names it.
    """
    file = folder / LIST
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{file}: is not there, and benchmarks come with the source alone",
            fix="Go to a clone of the repository, or name its folder with --benchmarks DIR",
        ) from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: is no TOML ({error})") from error
    if not document:
        raise InputError(f"{file}: lists no benchmarks")
    return [_benchmark(name, entry, file) for name, entry in document.items()]


def choose(benchmarks: Sequence[Benchmark], names: Sequence[str]) -> list[Benchmark]:
    """Return the benchmarks that were named, in the order of the list; all if none was.

    Raises:
        InputError: on a name that none has.
    """
    known = [benchmark.name for benchmark in benchmarks]
    wanted = [name.removesuffix(".py") for name in names]
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"there is no benchmark {name!r}", fix=f"Did you mean {near[0]}?" if near else "See them with --list"
            )
    return [benchmark for benchmark in benchmarks if not wanted or benchmark.name in wanted]


def _benchmark(name: str, entry: Any, file: Path) -> Benchmark:
    where = f"{file}, [{name}]"
    if not isinstance(entry, dict) or not _NAME.fullmatch(name):
        raise InputError(f"{where}: expected a section with a name of small letters, digits, - and _")
    known = ("what", "script", *SIZES, "seconds", "timeout", "needs", "environment")
    if unknown := sorted(entry.keys() - set(known)):
        raise InputError(f"{where}: unknown key {unknown[0]!r}", fix=f"Known are: {', '.join(known)}")
    what = entry.get("what")
    if not isinstance(what, str) or not what:
        raise InputError(f"{where}: expected `what` it measures, got {what!r}")
    script = file.parent / str(entry.get("script", f"{name}.py"))
    if not script.is_file():
        raise InputError(f"{where}: there is no {script}", fix="Name the file with `script`")
    needs = _texts(entry.get("needs", []), f"{where}, needs")
    for need in needs:
        if need.split()[0] not in _NEEDS or (len(need.split()) == 1) != (need == "wordnet"):
            raise InputError(f"{where}: unknown need {need!r}", fix=f"Known are: {', '.join(_NEEDS)}")
    environment = entry.get("environment", {})
    if not isinstance(environment, dict):
        raise InputError(f"{where}: expected `environment` to be a table, got {environment!r}")
    sizes: tuple[Size, ...] = ("full",) if entry.get("quick") is False else ("quick", "full")
    seconds = _by_size(entry.get("seconds"), sizes, f"{where}, seconds")
    timeout = {size: max(_LEAST, _TIMES * taken) for size, taken in seconds.items()}
    if "timeout" in entry:
        timeout = _by_size(entry["timeout"], sizes, f"{where}, timeout")
    return Benchmark(
        name=name,
        what=what,
        script=script,
        arguments={size: _texts(entry.get(size, []), f"{where}, {size}") for size in sizes},
        seconds=seconds,
        timeout=timeout,
        needs=needs,
        environment={str(key): str(value) for key, value in environment.items()},
    )


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise InputError(f"{where}: expected a list of texts, got {value!r}")
    return tuple(value)


def _by_size(value: Any, sizes: Sequence[Size], where: str) -> dict[Size, float]:
    if not isinstance(value, dict) or value.keys() != set(sizes):
        raise InputError(f"{where}: expected {{ {', '.join(f'{size} = ...' for size in sizes)} }}, got {value!r}")
    for one in value.values():
        if not isinstance(one, int | float) or isinstance(one, bool) or one <= 0:
            raise InputError(f"{where}: expected seconds above 0, got {one!r}")
    return {size: float(value[size]) for size in sizes}
