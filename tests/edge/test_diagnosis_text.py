from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Config, parse_config
from edge.diagnosis_text import check_text_model, check_text_source


def configured(text: str) -> Config:
    return parse_config(text, Path("c.toml"))


def told(source: str) -> tuple[str, str, str | None]:
    (check,) = check_text_source(configured(f"text.source = '{source}'"))
    return check.state, check.detail, check.mend


def test_without_a_text_source_nothing_is_said() -> None:
    assert list(check_text_model(Config())) == list(check_text_source(Config())) == []


def test_the_model_is_loaded_where_a_source_needs_it(text_model: Path) -> None:
    (check,) = check_text_model(configured("text.source = '-'"))
    assert (check.topic, check.state) == ("models", "ok")
    assert check.detail.startswith("text 1 reads 12 tokens at once, ")
    (check,) = check_text_model(configured("text = {source = '-', model = 'opera'}"))
    assert check.state == "fail"
    assert check.detail.startswith("no model 'opera' for the task 'text-emotion'")
    text_model.write_bytes(text_model.read_bytes()[:-1])
    (check,) = check_text_model(configured("text.source = '-'"))
    assert check.state == "fail"
    assert "truncated or replaced" in check.detail


def test_standard_input_is_not_touched() -> None:
    assert told("-") == ("info", "text comes from standard input, says the configuration", None)


def test_files_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, file = tmp_path / "lines.fifo", tmp_path / "lines.txt"
    os.mkfifo(fifo)
    file.touch()
    assert told(str(fifo)) == ("ok", f"{fifo}: a pipe, whose writers may come and go", None)
    assert told(str(file)) == ("ok", f"{file}: read to its end", None)
    assert told(f"follow:{file}") == ("ok", f"{file}: a file, of which what is added is read", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert told("~/lines.txt") == ("ok", f"{file}: read to its end", None)
    assert told("/dev/null")[0] == "ok"


def test_a_home_folder_that_is_not_there() -> None:
    assert told("~nobody-of-that-name/lines.txt")[:2] == ("fail", "there is no ~nobody-of-that-name/lines.txt")


def test_what_is_not_there(tmp_path: Path) -> None:
    gone = tmp_path / "gone.txt"
    assert told(str(gone)) == ("fail", f"there is no {gone}", f"mkfifo {gone}, or set text.source")
    assert told(f"follow:{gone}") == ("info", f"{gone} is not there yet; it is waited for", None)
    state, detail, mend = told(f"follow:{tmp_path}/no/gone.txt")
    assert (state, mend) == ("warn", f"mkdir -p {tmp_path}/no, or set text.source")
    assert "nor is its folder" in detail


@pytest.mark.parametrize("source", ["/", "follow:/"])
def test_a_folder_is_no_text(source: str) -> None:
    assert told(source) == ("fail", "/ is neither a file nor a pipe", "set text.source")


def test_a_path_that_is_none() -> None:
    state, detail, _ = told("x" * 300)
    assert state == "fail"
    assert "File name too long" in detail


def test_a_file_without_permission(unprivileged: Callable[[Callable[[], str]], str]) -> None:
    # Not under tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder) / "lines.txt"
        file.touch()
        file.chmod(0)
        assert unprivileged(lambda: " ".join(map(str, told(str(file))))) == (
            f"fail {file}: no permission to read it sudo setfacl -m u:$USER:r {file}"
        )


def test_who_waits_to_write_goes_on_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "lines.fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"hello\n",))
    writer.start()
    assert told(str(fifo))[0] == "ok"
    writer.join(0.2)
    assert writer.is_alive()
    assert fifo.read_bytes() == b"hello\n"
    writer.join()
