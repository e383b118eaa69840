"""What goes wrong becomes one line on stderr and an exit code.

Exit codes: 0 done; 1 the work failed; 2 what was asked cannot be used; 130 interrupted; 141 the reader of our output
went away. A traceback is shown only with `--debug` or `FURIKAERI_DEBUG=1`.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

import typer
from typer.exceptions import TyperException

from furikaeri_common.errors import FurikaeriError

__all__ = ["EXIT_CODES", "Failure", "explain", "guarded", "wants_debug"]

EXIT_CODES = "0 done, 1 the work failed, 2 unusable input or options, 130 interrupted"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class Failure(NamedTuple):
    """What to tell the user: one line ("" for silence) and the exit code."""

    line: str
    exit_code: int


def _usage(error: TyperException) -> Failure:
    context = getattr(error, "ctx", None)
    hint = f" (see: {context.command_path} --help)" if context else ""
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    return Failure(f"{message}{_source(error)}{hint}", error.exit_code)


def _source(error: TyperException) -> str:
    """Say where a refused value came from when it was not the command line."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    if context is None or parameter is None or parameter.name is None:
        return ""
    source = context.get_parameter_source(parameter.name)
    return {
        "ENVIRONMENT": f" (from the environment: {_set_variable(parameter)})",
        "DEFAULT_MAP": f" (from {context.meta.get('furikaeri.config', 'the configuration file')})",
    }.get(source.name if source else "", "")


def _set_variable(parameter: object) -> str:
    names = getattr(parameter, "envvar", None) or ()
    return next((name for name in ([names] if isinstance(names, str) else names) if os.environ.get(name)), "")


def _input_ended(error: BaseException) -> Failure:
    return Failure("the input ended before the command did", 1)


def _system(error: OSError) -> Failure:
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _DISK_FULL:
        return Failure(f"{place}the disk is full. Free some space and run the same command again", 1)
    return Failure(f"{place}{error.strerror or error}", 1)


def _unexpected(error: BaseException) -> Failure:
    if type(error).__name__ == "OutOfMemoryError":  # torch's own, told by its name so that torch stays unimported
        return Failure("the device ran out of memory. Use a smaller batch or model", 1)
    return Failure(f"unexpected {type(error).__name__}: {error} (run again with --debug for the traceback)", 1)


# The first class that fits is taken, so a subclass stands above its parent.
_RULES: tuple[tuple[type[BaseException], Callable[..., Failure]], ...] = (
    (FurikaeriError, lambda error: Failure(str(error), error.exit_code)),
    (TyperException, _usage),
    (typer.Abort, _input_ended),
    (EOFError, _input_ended),
    (KeyboardInterrupt, lambda _: Failure("interrupted; what was finished is kept", 130)),
    (BrokenPipeError, lambda _: Failure("", 141)),
    (MemoryError, lambda _: Failure("out of memory. Ask for less at once, or use a larger machine", 1)),
    (OSError, _system),
    (Exception, _unexpected),
)


def explain(error: BaseException) -> Failure:
    """Return the line and exit code of a failure; the line is whole, whatever breaks the message held."""
    for kind, rule in _RULES:
        if isinstance(error, kind):
            failure = rule(error)
            return Failure(" ".join(failure.line.split()), failure.exit_code)
    raise error


def wants_debug(arguments: Sequence[str]) -> bool:
    """Whether tracebacks are asked for: read before parsing, since parsing itself may fail."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--debug" in options or os.environ.get("FURIKAERI_DEBUG", "") not in ("", "0")


def guarded(work: Callable[[], object], *, program: str, debug: bool) -> int:
    """Run a command to its exit code, whatever happens in it.

    Args:
        work: the command; `typer.Exit` sets the code, any other return is 0.
        program: the name that begins the line on stderr.
        debug: print the traceback before the line.
    """
    try:
        work()
        sys.stdout.flush()
        return 0
    except typer.Exit as leave:
        return _flushed(leave.exit_code)
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else 0 if leave.code is None else 1
    except (Exception, KeyboardInterrupt) as error:
        failure = explain(error)
        _flushed(failure.exit_code)
        if debug:
            traceback.print_exc()
        if failure.line:
            print(f"{program}: {failure.line}", file=sys.stderr)
        return failure.exit_code


def _flushed(exit_code: int) -> int:
    """Flush stdout; when its reader has gone, point it nowhere so that the interpreter's own flush is silent."""
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return exit_code or 141
    return exit_code
