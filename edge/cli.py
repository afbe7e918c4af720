"""The `affect-edge` command: finds its subcommands among the installed packages and runs one of them."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Protocol

from edge.errors import AffectEdgeError

COMMAND_GROUP = "affect_edge.commands"

DESCRIPTION = """\
Emotion recognition that stays on the device: faces from a camera, voices from a microphone and text, on a Raspberry Pi,
a Jetson or a PC.

What it names is a label of an expression with a calibrated probability, not what a person feels. In the EU, inferring
emotion from biometrics at work or in education is prohibited, and people exposed to it elsewhere must be told.
"""

EPILOG = """\
exit codes:
  0  done            1  an error, told in one line on stderr
  2  wrong usage    78  a configuration that cannot be used    130  interrupted
"""


class Command(Protocol):
    """What an entry point of the group names: a module with these three."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace) -> int: ...


def build_parser(commands: Sequence[EntryPoint]) -> argparse.ArgumentParser:
    """The whole command line. Command modules are cheap to import: what is heavy, `run` imports."""
    parser = argparse.ArgumentParser(
        prog="affect-edge",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"affect-edge {version('affect-edge')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for entry in commands:
        module: Command = entry.load()
        subparser = subparsers.add_parser(
            entry.name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        subparser.add_argument("-v", "--verbose", action="store_true", help="log what is done, to stderr")
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; errors that a user can mend become one line on stderr."""
    argv = sys.argv[1:] if argv is None else argv
    commands = sorted(entry_points(group=COMMAND_GROUP), key=lambda entry: entry.name)
    # The one that is named is enough, and starts sooner; whatever else is wanted (--help, a wrong name) needs all.
    named = [entry for entry in commands if argv and entry.name == argv[0]]
    arguments = build_parser(named or commands).parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        return int(arguments.run(arguments))
    except AffectEdgeError as error:
        print(f"affect-edge {arguments.command}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away; keep Python from complaining again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
