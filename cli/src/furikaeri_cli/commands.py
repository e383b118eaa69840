"""Commands that are imported only when they are used.

A group knows its commands' names and one-line helps from a table, so `tq --help` imports none of them. When a command
runs, or its own `--help` is asked, its module is imported and its function becomes a Typer command with what every
command has: `--config`, `--debug`, options from the environment, and a help that ends with examples and exit codes.
"""

import importlib
import inspect
import textwrap
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from furikaeri_cli.failures import EXIT_CODES
from furikaeri_cli.settings import environment_variables, options_from, read_settings

if TYPE_CHECKING:
    from typer._click import HelpFormatter

__all__ = ["Command", "Group", "build", "load"]

_CONFIG = "furikaeri.config"
_EXAMPLES = "Examples:"
_PLAIN: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False}
_CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Command(NamedTuple):
    """One line of the table: a command and where it lives.

    Args:
        name: what the user types.
        module: imported when the command is used.
        function: the function in it; its signature is the options, its docstring the help.
        help: one line for the group's list.
    """

    name: str
    module: str
    function: str
    help: str


class Group(NamedTuple):
    """A named set of commands and groups."""

    name: str
    help: str
    members: "tuple[Command | Group, ...]"


class _LazyGroup(TyperGroup):
    """A group that builds a command when it is asked for."""

    group: Group
    path: tuple[str, ...]
    root: Group

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        return _lean(super().get_params(ctx))

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return [member.name for member in self.group.members]

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        member = next((member for member in self.group.members if member.name == cmd_name), None)
        if member is None:
            return None
        if isinstance(member, Group):
            return _lazy_group(member, (*self.path, cmd_name), self.root)
        return load(member, (*self.path, cmd_name), self.root)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]
        # Typer looks for near misses among the commands it holds; ours are not built yet, only named.
        self.commands = dict.fromkeys(self.list_commands(ctx), self)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args and not ctx.resilient_parsing:
            print(ctx.get_help())
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]
        if not self.group.members:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(member.name, member.help) for member in self.group.members])


class _LeanOption(TyperOption):
    """An option that takes its own default as it is: to have it checked would import pydantic, a fifth of a second."""

    def process_value(self, ctx: typer.Context, value: Any) -> Any:  # type: ignore[override]
        source = ctx.get_parameter_source(self.name or "")
        if source is None or source.name != "DEFAULT" or self.required or self.multiple:
            return super().process_value(ctx, value)
        return value if self.callback is None else self.callback(ctx, self, value)


class _FramedCommand(TyperCommand):
    """A command whose help ends with its examples, where its options may come from, and its exit codes."""

    path: tuple[str, ...]
    root: Group
    examples: str

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        return _lean(super().get_params(ctx))

    def format_epilog(self, ctx: typer.Context, formatter: "HelpFormatter") -> None:  # type: ignore[override]
        if self.examples:
            formatter.write(f"\n{_EXAMPLES}\n{textwrap.indent(self.examples, '  ')}\n")
        variables = ", ".join(environment_variables(self.path, "<option>"))
        section = ".".join(self.path)
        formatter.write("\n")
        formatter.write_text(f"Options may also come from {variables}, or from [{section}] in the --config file.")
        formatter.write_text(f"Exit codes: {EXIT_CODES}.")


def load(command: Command, path: tuple[str, ...], root: Group) -> _FramedCommand:
    """Import a command's module and return what Typer runs.

    Args:
        command: the line of the table.
        path: its place, such as `("tq", "match")`: the section in a settings file, the prefix of its variables.
        root: the whole tree, against which a settings file is checked.
    """
    function = getattr(importlib.import_module(command.module), command.function)
    text, _, examples = inspect.cleandoc(function.__doc__ or command.help).partition(f"\n{_EXAMPLES}\n")
    app = typer.Typer(add_completion=False, **_PLAIN)
    app.command(command.name, cls=_FramedCommand, help=text, context_settings=_CONTEXT)(function)
    loaded = get_command(app)
    assert isinstance(loaded, _FramedCommand)
    loaded.path, loaded.root = path, root
    loaded.examples = textwrap.dedent(examples).strip("\n")
    for parameter in loaded.params:
        if isinstance(parameter, TyperOption) and parameter.name:
            parameter.envvar = environment_variables(path, parameter.name)
            parameter.show_envvar = False
    loaded.params.extend(_frame_options(_apply_config))
    return loaded


def build(group: Group, root: Group, *, version: Callable[[], str]) -> TyperGroup:
    """Return a program: the group that a console script runs.

    Args:
        group: the tree of commands.
        root: the tree of all programs, against which a settings file is checked.
        version: says what `--version` prints.
    """
    in_root = any(member.name == group.name for member in root.members)
    program = _lazy_group(group, (group.name,) if in_root else (), root, completion=True)
    program.params[:0] = [*_version_option(version), *_frame_options(_remember_config, variable="FURIKAERI_CONFIG")]
    return program


def _lazy_group(group: Group, path: tuple[str, ...], root: Group, *, completion: bool = False) -> _LazyGroup:
    app = typer.Typer(add_completion=completion, **_PLAIN)

    @app.callback(cls=_LazyGroup, help=group.help, context_settings=_CONTEXT)
    def nothing() -> None:
        """Groups do nothing themselves."""

    built = get_command(app)
    assert isinstance(built, _LazyGroup)
    built.name, built.group, built.path, built.root = group.name, group, path, root
    return built


def _frame_options(config: Callable[[typer.Context, Path | None], None], *, variable: str | None = None) -> list[Any]:
    """Return the options that everything has; they are acted on here and never reach a command's function."""
    config_option = typer.Option(
        "--config",
        metavar="FILE",
        envvar=variable,
        help="A TOML file with options.",
        callback=config,
        is_eager=True,
        expose_value=False,
    )
    debug_option = typer.Option("--debug", help="Show the traceback of a failure.", expose_value=False)

    def frame(
        config: Annotated[Path | None, config_option] = None, debug: Annotated[bool, debug_option] = False
    ) -> None:
        """Hold the options; whether `--debug` was given is read before parsing."""

    return _parameters(frame)


def _version_option(version: Callable[[], str]) -> list[Any]:
    def show(value: bool) -> None:
        if value:
            print(version())
            raise typer.Exit

    option = typer.Option("--version", help="Print the version.", callback=show, is_eager=True, expose_value=False)

    def frame(version: Annotated[bool, option] = False) -> None:
        """Hold the option."""

    return _parameters(frame)


def _lean(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if type(parameter) is TyperOption:
            parameter.__class__ = _LeanOption
    return parameters


def _parameters(function: Any) -> list[Any]:
    app = typer.Typer(add_completion=False, **_PLAIN)
    app.command()(function)
    return list(get_command(app).params)


def _remember_config(ctx: typer.Context, value: Path | None) -> None:
    ctx.meta[_CONFIG] = value


def _apply_config(ctx: typer.Context, value: Path | None) -> None:
    """Make the settings file the defaults of the command that is being parsed."""
    file = value or ctx.meta.get(_CONFIG)
    command = ctx.command
    if file is None or ctx.resilient_parsing or not isinstance(command, _FramedCommand):
        return
    ctx.meta[_CONFIG] = file
    settings = options_from(
        read_settings(file),
        command.path,
        file=file,
        options_of=lambda path: _options_below(command.root, path),
        commands_of=lambda path: _names_below(command.root, path),
    )
    # What may be given several times may be one text, too.
    several = {parameter.name for parameter in command.params if getattr(parameter, "multiple", False)}
    ctx.default_map = {
        name: [value] if name in several and isinstance(value, str) else value for name, value in settings.items()
    }


def _find(root: Group, path: Sequence[str]) -> Command | Group:
    found: Command | Group = root
    for name in path:
        assert isinstance(found, Group)
        found = next(member for member in found.members if member.name == name)
    return found


def _names_below(root: Group, path: Sequence[str]) -> Collection[str]:
    found = _find(root, path)
    return [member.name for member in found.members] if isinstance(found, Group) else []


def _options_below(root: Group, path: Sequence[str]) -> Collection[str]:
    found = _find(root, path)
    if isinstance(found, Command):
        parameters = load(found, tuple(path), root).params
        return {p.name for p in parameters if isinstance(p, TyperOption) and p.name and p.expose_value}
    return {name for member in found.members for name in _options_below(root, (*path, member.name))}
