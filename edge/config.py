"""The configuration: a TOML file, checked whole before anything starts.

An unknown key, a wrong type or a value out of range is refused with its file, line and key: a typing error must never
leave half a service running with defaults. `affect-edge validate-config --show` prints every setting with its meaning.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError

from edge.config_sections import (
    CameraConfig,
    ExpressionConfig,
    FaceConfig,
    JournalConfig,
    LoggingConfig,
    MicrophoneConfig,
    Section,
    SmoothingConfig,
    SpeechConfig,
    TextConfig,
)
from edge.config_service import HeatConfig, IndicatorConfig, PauseConfig, ServiceConfig
from edge.errors import ConfigError
from edge.toml_text import as_toml, error_line, key_lines, line_of, parse

CONFIG_VARIABLE = "AFFECT_EDGE_CONFIG"
"""Environment variable that names the configuration file."""


class Config(Section):
    """The whole configuration; every setting has a default."""

    camera: CameraConfig = CameraConfig()
    face: FaceConfig = FaceConfig()
    expression: ExpressionConfig = ExpressionConfig()
    microphone: MicrophoneConfig = MicrophoneConfig()
    speech: SpeechConfig = SpeechConfig()
    text: TextConfig = TextConfig()
    smoothing: SmoothingConfig = SmoothingConfig()
    journal: JournalConfig = JournalConfig()
    service: ServiceConfig = ServiceConfig()
    pause: PauseConfig = PauseConfig()
    indicator: IndicatorConfig = IndicatorConfig()
    heat: HeatConfig = HeatConfig()
    logging: LoggingConfig = LoggingConfig()

    _file: Path | None = PrivateAttr(default=None)

    @property
    def file(self) -> Path | None:
        """The file that it was read from; None where no file was found and the defaults hold."""
        return self._file


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong with a configuration file."""

    file: Path
    line: int | None
    """Counted from 1; None if the file could not be read."""
    key: str
    """Dotted, such as 'camera.fps'; empty if the file is no TOML at all."""
    message: str

    def __str__(self) -> str:
        where = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class InvalidConfigError(ConfigError):
    """A configuration file with at least one problem; the message tells the first and counts the others."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        others = len(problems) - 1
        more = (
            f" ({others} more {'error' if others == 1 else 'errors'}: "
            f"affect-edge validate-config {problems[0].file} lists all)"
        )
        super().__init__(f"{problems[0]}{more if others else ''}")


def load_config(path: Path | None = None) -> Config:
    """Read and check a configuration.

    Parameters
    ----------
    path
        The file; None takes $AFFECT_EDGE_CONFIG, else the first that exists of ~/.config/affect-edge/config.toml
        (under $XDG_CONFIG_HOME where that is set) and /etc/affect-edge/config.toml, else the defaults.

    Returns
    -------
    Config
        Its `file` says where it came from.

    Raises
    ------
    InvalidConfigError
        The file cannot be read, is not TOML, or breaks a rule.
    """
    if path is not None:
        return _read(path)
    if chosen := os.environ.get(CONFIG_VARIABLE):
        return _read(Path(chosen), named_by=f"${CONFIG_VARIABLE}")
    for candidate in default_files():
        # Not `exists()`: a file that is there and cannot be reached must be told, not passed over.
        if not _is_absent(candidate):
            return _read(candidate)
    return Config()


def default_files() -> list[Path]:
    """The files that are tried, in order, when none is named."""
    files = [Path("/etc/affect-edge/config.toml")]
    home = os.environ.get("XDG_CONFIG_HOME", "")
    # The XDG specification: a relative path there is to be ignored.
    # A service may run as a user without a home folder.
    with contextlib.suppress(RuntimeError):
        folder = Path(home) if home.startswith("/") else Path.home() / ".config"
        files.insert(0, folder / "affect-edge" / "config.toml")
    return files


def parse_config(text: str, file: Path) -> Config:
    """Check the text of a configuration; `file` is what errors name. Raises `InvalidConfigError`."""
    try:
        document = parse(text)
    except (ValueError, RecursionError) as error:
        raise InvalidConfigError([ConfigProblem(file, error_line(error, text), "", f"not TOML: {error}")]) from None
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        lines = key_lines(text)
        problems = []
        for details in error.errors():
            path = tuple(str(part) for part in details["loc"])
            problems.append(ConfigProblem(file, line_of(path, lines), ".".join(path), _message(path, details)))
        raise InvalidConfigError(sorted(problems, key=lambda problem: problem.line or 0)) from None


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration, as its documentation needs it."""

    section: str
    key: str
    description: str
    allowed: str
    """What values it takes, in words."""
    optional: bool
    """Whether it may be left out for something that no value says."""


def settings() -> Iterator[Setting]:
    """All settings, section by section, in the order of the file."""
    schema = Config.model_json_schema()
    for section, reference in schema["properties"].items():
        definition = schema["$defs"][reference["$ref"].rpartition("/")[2]]
        for key, field in definition["properties"].items():
            kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
            yield Setting(section, key, field["description"], _allowed(kinds[0]), optional="anyOf" in field)


def _allowed(field: dict[str, Any]) -> str:
    if "const" in field:
        return f"'{field['const']}'"
    if "enum" in field:
        return "one of " + ", ".join(f"'{value}'" for value in field["enum"])
    if field["type"] == "boolean":
        return "true or false"
    if field["type"] == "array":
        return f"a list of text in quotes{', not empty' if field.get('minItems') else ''}"
    if field["type"] == "string":
        return "a path, as text in quotes" if field.get("format") == "path" else "text in quotes, not empty"
    kind = "a whole number" if field["type"] == "integer" else "a number"
    low = f"from {field['minimum']:g} to" if "minimum" in field else f"above {field['exclusiveMinimum']:g}, up to"
    high = f"{field['maximum']:.15g}" if "maximum" in field else f"below {field['exclusiveMaximum']:g}"
    return f"{kind} {low} {high}".replace(", up to below", " and below")


def _message(path: tuple[str, ...], details: Any) -> str:
    """What was given and what is allowed."""
    known = list(settings())
    sections = list(dict.fromkeys(setting.section for setting in known))
    if details["type"] == "extra_forbidden":
        siblings = [setting.key for setting in known if setting.section == path[0]] if len(path) > 1 else sections
        return f"unknown {'key' if len(path) > 1 else 'section'}; {_nearest(path, siblings, known)}"
    given = as_toml(details["input"])
    given = given if len(given) <= 60 else given[:57] + "..."
    if details["type"] == "value_error":  # of a check of our own, which says what is wrong
        return f"{given} is not allowed: {details['ctx']['error']}" if len(path) > 1 else str(details["ctx"]["error"])
    for setting in known:
        if (setting.section, setting.key) == path[:2]:  # an item of a list has its place behind
            return f"{given} is not allowed; it takes {setting.allowed}"
    return f"{given} is not allowed; it is a section, written [{'.'.join(path)}]"


def _nearest(path: tuple[str, ...], siblings: list[str], known: list[Setting]) -> str:
    if near := difflib.get_close_matches(path[-1], siblings, n=1):
        return f"did you mean '{near[0]}'?"
    if homes := [setting.section for setting in known if setting.key == path[-1]]:
        return f"did you mean it in [{homes[0]}]?"
    return f"known are: {', '.join(siblings)}"


def _is_absent(file: Path) -> bool:
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _read(file: Path, named_by: str = "") -> Config:
    data = b""
    try:
        data = file.read_bytes()
        # utf-8-sig: editors on Windows put a byte order mark in front, which TOML does not know.
        config = parse_config(data.decode("utf-8-sig"), file)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidConfigError(
            [ConfigProblem(file, line, "", "not text in UTF-8, which TOML is written in")]
        ) from None
    except OSError as error:
        origin = f" (named by {named_by})" if named_by else ""
        problem = f"cannot be read: {error.strerror or error}{origin}"
        raise InvalidConfigError([ConfigProblem(file, None, "", problem)]) from None
    config._file = file
    return config
