"""Check a configuration file, and write one to start from.

Every error is named with its file, line and key; the exit code is 78 then, on which the systemd unit stops instead of
restarting. Without PATH it checks the file that `affect-edge run` would take: $AFFECT_EDGE_CONFIG, else
~/.config/affect-edge/config.toml, else /etc/affect-edge/config.toml; if there is none, the defaults hold.

  affect-edge validate-config                        # which file holds, and is it right?
  affect-edge validate-config garden.toml            # check that one
  affect-edge validate-config --show                 # every setting in force, with its meaning and range
  affect-edge validate-config --show > config.toml   # a file to start from
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge.config import Config

HELP = "check a configuration file, or print one with every setting explained"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", type=Path, help="the file (default: the one in force)")
    parser.add_argument("--json", action="store_true", help="print one JSON object: file, ok, errors, config")
    parser.add_argument("--show", action="store_true", help="print the settings in force as TOML with comments")


def run(arguments: argparse.Namespace) -> int:
    from edge.config import InvalidConfigError, load_config

    try:
        config = load_config(arguments.path)
    except InvalidConfigError as error:
        if arguments.json:
            errors = [
                {"line": problem.line, "key": problem.key, "message": problem.message} for problem in error.problems
            ]
            print(_as_json(error.problems[0].file, errors, None))
        else:
            for problem in error.problems:
                print(problem, file=sys.stderr)
        return error.exit_code
    if arguments.json:
        print(_as_json(config.file, [], config.model_dump(mode="json")))
    elif arguments.show:
        print(as_template(config), end="")
    else:
        print(f"{config.file}: ok" if config.file else "no configuration file: the defaults hold, which is ok")
    return 0


def _as_json(file: Path | None, errors: list[dict[str, Any]], config: dict[str, Any] | None) -> str:
    answer = {"file": str(file) if file else None, "ok": not errors, "errors": errors, "config": config}
    return json.dumps(answer, ensure_ascii=False)


def as_template(config: Config) -> str:
    """The whole configuration as TOML that reads back to the same, each setting with its meaning, range and default."""
    from edge.config import Config, settings
    from edge.toml_text import as_toml

    values, defaults = config.model_dump(mode="json"), Config().model_dump(mode="json")
    lines = [f"# Settings of affect-edge, {f'as read from {config.file}' if config.file else 'all at their defaults'}."]
    section = ""
    for setting in settings():
        if setting.section != section:
            section = setting.section
            lines += ["", f"[{section}]"]
        value, default = values[section][setting.key], defaults[section][setting.key]
        usual = "left out" if default is None else as_toml(default)
        lines += [f"# {line}" for line in textwrap.wrap(setting.description, width=100)]
        lines.append(f"# {setting.allowed[0].upper()}{setting.allowed[1:]}; default: {usual}.")
        lines.append(f"# {setting.key} =" if value is None else f"{setting.key} = {as_toml(value)}")
    return "\n".join(lines) + "\n"
