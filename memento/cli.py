"""The command line."""

import os
import sys
from pathlib import Path
from typing import Any

import typer

from memento.commands import backup, bench, cases, demo, doctor, mcp, run, runs, serve, tools
from memento.errors import MementoError, StoppedError, UsageError
from memento.settings import load_dotenv_file

# Typer carries its own copy of Click, and earlier it used Click itself: this is the one that it uses.
_TyperUsageError: type[Exception] = typer.BadParameter.__bases__[0]

_STOPPED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="An agent that learns from its own experience while its language model stays frozen.\n\n"
    'Example: memento run "What is 17% of 2340?"',
)
app.command()(run.run)
app.command()(demo.demo)
app.command()(bench.bench)
app.add_typer(cases.app, name="cases")
app.add_typer(backup.app, name="backup")
app.command()(runs.feedback)
app.add_typer(runs.app, name="runs")
app.add_typer(tools.app, name="tools")
app.command()(serve.serve)
app.command()(mcp.mcp)
app.command()(doctor.doctor)


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Exit code 0: it did its work; 1: it could not; 2: wrong usage or configuration."""
    code = _code(arguments)
    # Of an interrupt that met an exec, as of a dataclass, CPython keeps a flag until the next exec. With it
    # `python -m memento` would die of the interrupt in the end, whatever became of it.
    exec("")  # noqa: S102
    sys.exit(code)


def _code(arguments: list[str] | None) -> int:
    try:
        load_dotenv_file(Path(".env"))
        returned = app(args=arguments, prog_name="memento", standalone_mode=False)
        sys.stdout.flush()
        if returned == _STOPPED:  # what Typer makes of Ctrl-C
            return _fail("stopped", _STOPPED)
        return returned if isinstance(returned, int) else 0
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _fail("stopped", _STOPPED)
    except BrokenPipeError:
        # What is left in the buffer would fail once more, and loudly, when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - one line, never a traceback that may hold a secret
        return _fail(*_told(error))


def _told(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code."""
    if isinstance(error, _TyperUsageError):
        return _wrong_usage(error), 2
    if isinstance(error, UsageError):
        return str(error), 2
    if isinstance(error, StoppedError):
        return str(error), _STOPPED
    if isinstance(error, MementoError):
        return str(error), 1
    return f"{type(error).__name__}: {error}", 1


def _wrong_usage(error: Any) -> str:
    """One line about an error of Typer's; where a command is missing, the help page goes to stdout."""
    command = error.ctx.command_path if error.ctx else "memento"
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.ctx.get_help())
        return f"which command of `{command}`?"
    return f"{error.format_message().rstrip('.')}: see `{command} --help`"


def _fail(message: str, code: int) -> int:
    print(f"memento: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
