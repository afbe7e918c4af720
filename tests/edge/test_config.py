from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import edge.config as module
from edge.config import CONFIG_VARIABLE, Config, InvalidConfigError, default_files, load_config, parse_config, settings
from edge.errors import ConfigError


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine itself has."""
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    system = tmp_path / "etc" / "config.toml"
    monkeypatch.setattr(module, "default_files", lambda: [*default_files()[:-1], system])


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_value(tmp_path: Path) -> None:
    text = """
        camera.source = "rtsp://camera/1"
        face = {min_size = 0.2, every = 3, threshold = 0.6, interval = 0}
        [microphone]
        source = "USB"
        [speech]
        margin_db = 9
        silence_dbfs = -50.5
        [text]
        source = "follow:~/chat.log"
        threads = 2
        [smoothing]
        half_life = 1          # a whole number does for a number
        unsure_below = 0.5
        [journal]
        enabled = false
        path = "~/journal.db"
        [logging]
        level = "debug"
    """
    config = load_config(write(tmp_path / "c.toml", text))
    assert config.file == tmp_path / "c.toml"
    assert config.camera.source == "rtsp://camera/1"
    assert (config.face.min_size, config.face.every) == (0.2, 3)
    assert (config.face.threshold, config.face.interval, config.face.model) == (0.6, 0.0, "face_near")
    assert (config.microphone.source, config.speech.model) == ("USB", "speech")
    assert (config.speech.margin_db, config.speech.silence_dbfs) == (9.0, -50.5)
    assert (config.text.source, config.text.model, config.text.threads) == ("follow:~/chat.log", "text", 2)
    assert (config.smoothing.half_life, config.smoothing.unsure_below) == (1.0, 0.5)
    assert config.journal.enabled is False
    assert config.journal.path == Path.home() / "journal.db"
    assert config.logging.level == "debug"
    assert config.camera.width == Config().camera.width


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "c.toml", "\ufeff# a byte order mark, and nothing else\n"))
    assert config.model_dump() == Config().model_dump()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[camera]\nwidht = 640", "2: camera.widht: unknown key; did you mean 'width'?"),
        ("[camera]\nhysteresis = 0.1", "2: camera.hysteresis: unknown key; did you mean it in [smoothing]?"),
        ("[camera]\nzoom = 2", "2: camera.zoom: unknown key; known are: source, width, height, fps"),
        ("[camara]\nwidth = 640", "1: camara: unknown section; did you mean 'camera'?"),
        ("width = 640", "1: width: unknown section; did you mean it in [camera]?"),
        ('[camera]\nfps = "fast"', '2: camera.fps: "fast" is not allowed; it takes a number from 0.1 to 240'),
        ("[camera]\nfps = true", "2: camera.fps: true is not allowed"),
        ("[camera]\nwidth = 640.0", "2: camera.width: 640.0 is not allowed; it takes a whole number from 32 to 7680"),
        ("[camera]\n\nwidth = 8", "3: camera.width: 8 is not allowed; it takes a whole number from 32 to 7680"),
        ("[camera]\nsource = ''", '2: camera.source: "" is not allowed; it takes text in quotes, not empty'),
        ("camera.source = 0", "1: camera.source: 0 is not allowed; it takes text in quotes"),
        (
            "[smoothing]\nhysteresis = 1",
            "2: smoothing.hysteresis: 1 is not allowed; it takes a number from 0 to below 1",
        ),
        ("[smoothing]\nhalf_life = nan", "2: smoothing.half_life: nan is not allowed"),
        (
            "[smoothing]\nunsure_below = -0.1",
            "2: smoothing.unsure_below: -0.1 is not allowed; it takes a number from 0 to 1",
        ),
        ("[journal]\nmax_age_days = 0", "a number above 0, up to 36500"),
        (
            "[journal]\nmax_size_mb = inf",
            "2: journal.max_size_mb: inf is not allowed; it takes a number from 1 to 1000000",
        ),
        ("[journal]\nenabled = 1", "2: journal.enabled: 1 is not allowed; it takes true or false"),
        ("[journal]\npath = 3", "2: journal.path: 3 is not allowed; it takes a path, as text in quotes"),
        ("[journal]\npath = '~nobody-of-that-name/j'", '2: journal.path: "~nobody-of-that-name/j" is not allowed'),
        ("[logging]\nlevel = 'loud'", "one of 'debug', 'info', 'warning', 'error'"),
        ("[face]\ndetector = 'haar'", "2: face.detector: unknown key; known are: model, threshold, threads"),
        ("[face]\nthreshold = 1", "2: face.threshold: 1 is not allowed; it takes a number above 0 and below 1"),
        ("[face]\nmin_size = 2", "2: face.min_size: 2 is not allowed; it takes a number from 0 to 1"),
        ("[face]\nmodel = ''", '2: face.model: "" is not allowed; it takes text in quotes, not empty'),
        ("[microphone]\nrate = 16000", "2: microphone.rate: unknown key; known are: source"),
        ("[speech]\nsilence_dbfs = 3", "2: speech.silence_dbfs: 3 is not allowed; it takes a number from -120 to 0"),
        ("[text]\nsource = ''", '2: text.source: "" is not allowed; it takes text in quotes, not empty'),
        ("[text]\nfollow = true", "2: text.follow: unknown key; known are: source, model, threads"),
        ("[text]\nthreads = 0", "2: text.threads: 0 is not allowed; it takes a whole number from 1 to 64"),
        (
            "[face]\naccelerator = 'npu'",
            "2: face.accelerator: \"npu\" is not allowed; it takes one of 'cpu', 'gpu', 'auto'",
        ),
        ("[mic]\nsource = 'none'", "1: mic: unknown section; known are: camera, face, expression, microphone, speech"),
        ("[pause]\nquiet_hours = [3]", "2: pause.quiet_hours.0: 3 is not allowed; it takes a list of text in quotes"),
        ("[pause]\nquiet_hours = ['9-10']", "is not allowed: '9-10': write such as '22:00-06:30'"),
        ("[indicator]\nrequired = true", "1: indicator: an indicator is required, and none is named"),
        ("[heat]\nlow = 90.0", "1: heat: low (90) has to be below high (80)"),
        ("camera = 5", "1: camera: 5 is not allowed; it is a section, written [camera]"),
        ("[[camera]]\nfps = 1", "it is a section, written [camera]"),
        (f"[camera]\nfps = '{'x' * 500}'", "xxx... is not allowed"),
        ("[camera]\nfps = \n", "2: not TOML: Invalid value"),
        ("[camera]\nfps = 1\nfps = 2", "3: not TOML: Cannot overwrite a value"),
        ("[camera\n", "1: not TOML: "),
        ("a = " + "[" * 5000 + "]" * 5000, "1: not TOML: "),
    ],
)
def test_every_error_names_file_line_key_and_mend(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path / "c.toml", text)
    with pytest.raises(InvalidConfigError) as raised:
        load_config(path)
    message = str(raised.value)
    assert message.startswith(f"{path}:")
    assert told in message
    assert "\n" not in message
    assert len(message.removeprefix(str(path))) < 300
    assert raised.value.exit_code == 78
    assert isinstance(raised.value, ConfigError)


def test_all_errors_are_kept_and_the_first_line_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path / "c.toml", "[face]\nevery = 0\n[camera]\nfps = 0\nzoom = 1\n")
    with pytest.raises(InvalidConfigError) as raised:
        load_config(path)
    assert [(problem.line, problem.key) for problem in raised.value.problems] == [
        (2, "face.every"),
        (4, "camera.fps"),
        (5, "camera.zoom"),
    ]
    assert str(raised.value).startswith(f"{path}:2: face.every: 0 is not allowed")
    assert f"(2 more errors: affect-edge validate-config {path} lists all)" in str(raised.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.mkdir(), ": cannot be read: Is a directory"),
        (lambda path: path.symlink_to(path), ": cannot be read: Too many levels of symbolic links"),
        (lambda path: None, ": cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"[camera]\n# caf\xe9\n"), ":2: not text in UTF-8"),
        (lambda path: path.write_bytes("[camera]\n".encode("utf-16")), ":1: not text in UTF-8"),
        (lambda path: path.write_bytes(b"\0" * 100), ":1: not TOML: "),
    ],
)
def test_what_is_no_readable_text_is_told(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    path = tmp_path / "c.toml"
    make(path)
    with pytest.raises(InvalidConfigError) as raised:
        load_config(path)
    assert str(raised.value).startswith(f"{path}{told}")


def test_a_file_without_permission_is_told_and_not_passed_over(
    tmp_path: Path, unprivileged: Callable[[Callable[[], str]], str]
) -> None:
    path = write(tmp_path / "xdg" / "affect-edge" / "config.toml", "")
    path.chmod(0)

    def load() -> str:
        try:
            return f"loaded {load_config().file}"
        except InvalidConfigError as error:
            return str(error)

    assert unprivileged(load) == f"{path}: cannot be read: Permission denied"


def test_the_named_file_then_the_user_s_then_the_system_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config().file is None
    system = write(tmp_path / "etc" / "config.toml", "camera.fps = 1")
    assert load_config().file == system
    user = write(tmp_path / "xdg" / "affect-edge" / "config.toml", "camera.fps = 2")
    assert (load_config().file, load_config().camera.fps) == (user, 2)
    named = write(tmp_path / "named.toml", "camera.fps = 3")
    monkeypatch.setenv(CONFIG_VARIABLE, str(named))
    assert load_config().file == named
    given = write(tmp_path / "given.toml", "camera.fps = 4")
    assert load_config(given).file == given


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "gone.toml"))
    with pytest.raises(InvalidConfigError, match=r"gone\.toml: cannot be read: .* \(named by \$AFFECT_EDGE_CONFIG\)"):
        load_config()


def test_the_standard_places(monkeypatch: pytest.MonkeyPatch) -> None:
    system = Path("/etc/affect-edge/config.toml")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative, so ignored")
    assert default_files() == [Path("/home/someone/.config/affect-edge/config.toml"), system]
    monkeypatch.setenv("XDG_CONFIG_HOME", "/other")
    assert default_files() == [Path("/other/affect-edge/config.toml"), system]


def test_every_setting_is_documented_and_its_default_is_allowed() -> None:
    found = list(settings())
    keys = {(section, key) for section, values in Config().model_dump().items() for key in values}
    assert {(setting.section, setting.key) for setting in found} == keys
    assert all(len(setting.description) > 15 for setting in found)
    text = "\n".join(f"[{section}]" for section in Config().model_dump())
    assert parse_config(text, Path("x")).model_dump() == Config().model_dump()
