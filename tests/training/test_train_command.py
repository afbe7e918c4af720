"""`affect-edge train`, from a csv to an int8 file that the runtime takes, and what it says where it cannot go on."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("matplotlib")

import keras

from converter import verify
from edge.cli import main
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import verify_model
from tests.training.conftest import write_table
from training.commands.train import PACKAGES
from training.datasets.face_batches import as_input
from training.datasets.fer2013 import LABELS, read_faces

pytestmark = pytest.mark.tensorflow

ROOT = Path(__file__).parents[2]
RECIPE = """
name = "tiny"
[network]
width = 0.25
[schedule]
epochs = 2
batch_size = 14
warmup_epochs = 0.5
average_decay = 0.5
[quantization]
epochs = 1
calibration_images = 20
"""


class Run:
    """A finished run of the command, and the words that began it."""

    def __init__(self, folder: Path) -> None:
        self.data = write_table(folder / "data", {"Training": 20, "PublicTest": 4, "PrivateTest": 1})
        self.recipe = folder / "tiny.toml"
        self.recipe.write_text(RECIPE)
        self.out = folder / "runs" / "tiny"
        self.words = ["train", str(self.recipe), "--data", str(self.data), "--out", str(self.out)]
        self.printed = self.again()

    def again(self, *words: str) -> str:
        printed = io.StringIO()
        with redirect_stdout(printed):
            assert main([*self.words, *words]) == 0
        return printed.getvalue()

    def times(self) -> dict[str, int]:
        return {name: (self.out / name).stat().st_mtime_ns for name in ("checkpoint.npz", "qat.npz", "curves.png")}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("train"))


def _agreement(out: Path, data: Path) -> verify.Agreement:
    """The int8 file beside the float one, both read back from the disk."""
    x = as_input(read_faces(data)["validation"].images)
    reference = np.asarray(keras.models.load_model(out / "tiny.keras").predict(x, verbose=0), np.float32)
    return verify.agreement(reference, verify.logits(out / "tiny.tflite", x))


def test_a_run_leaves_all_that_it_promises(done: Run) -> None:
    left = ["checkpoint.npz", "curves.png", "qat.npz", "tiny.json", "tiny.keras", "tiny.tflite"]
    assert sorted(path.name for path in done.out.iterdir()) == left
    assert (done.out / "curves.png").read_bytes().startswith(b"\x89PNG")
    model = done.out / "tiny.tflite"
    lines = done.printed.splitlines()
    assert "training on 140 faces" in lines[0]
    assert "'kept': 140" in lines[0]
    assert "tiny.keras: validation accuracy" in lines[1]
    assert f"{model}: {model.stat().st_size} bytes" in lines[2]
    assert lines[3] == f"next: affect-edge evaluate {model} --data {done.data} --calibrate --write-manifest"


def test_the_model_is_int8_and_its_manifest_tells_where_it_comes_from(done: Run) -> None:
    model = done.out / "tiny.tflite"
    manifest = verify_model(model, task="expression")
    assert manifest.labels == LABELS
    assert (manifest.input.dtype, manifest.output.dtype) == ("int8", "int8")
    assert manifest.input.scale == pytest.approx(1 / 255)
    assert manifest.input.zero_point == -128
    verify.require_int8(model)
    interpreter = load_interpreter(model)
    assert interpreter.input.shape == (1, 48, 48, 1)
    assert manifest.training["recipe"] == "tiny"
    assert manifest.training["settings"]["network"]["width"] == 0.25
    assert manifest.training["cleaning"]["kept"] == 140
    assert manifest.training["epochs"] == 2
    assert manifest.quantization["method"] == "qat"
    assert manifest.limits
    found = _agreement(done.out, done.data)
    assert manifest.quantization["agreement_on_validation"] == pytest.approx(found.as_dict(), rel=1e-3, abs=1e-3)
    assert found.sqnr_db > 10
    text = (done.out / "tiny.json").read_text()
    assert str(done.data) not in text, "the manifest travels, paths do not"
    assert json.loads(text)["parameters"] == keras.models.load_model(done.out / "tiny.keras").count_params()


def test_the_same_command_again_trains_nothing_and_gives_the_same_model(done: Run) -> None:
    times, content = done.times(), (done.out / "tiny.tflite").read_bytes()
    assert done.again() == done.printed
    assert done.times() == times
    assert (done.out / "tiny.tflite").read_bytes() == content


def test_other_quantisation_of_the_same_float_run(done: Run, tmp_path: Path) -> None:
    times = done.times()
    done.again("--qat-epochs", "0", "--models", str(tmp_path / "models"))
    assert done.times() == times
    manifest = verify_model(tmp_path / "models" / "tiny.tflite", task="expression")
    assert manifest.quantization["method"] == "int8"
    assert manifest.quantization["calibration_images"] == 20


# What it says where it cannot go on


def _refused(capsys: pytest.CaptureFixture[str], words: list[str], *parts: str, code: int = 1) -> None:
    assert main(["train", *words]) == code
    error = capsys.readouterr().err
    assert error.startswith("affect-edge train: error: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(write_table(tmp_path / "data", {"Training": 2, "PublicTest": 1, "PrivateTest": 1}))


def test_wrong_data_and_recipes(tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    to = ["--out", str(out)]
    _refused(capsys, ["expression", "--data", str(tmp_path / "gone"), *to], "gone: no such folder")
    _refused(capsys, ["expression", "--data", str(tmp_path), *to], "holds neither fer2013.csv")
    _refused(capsys, ["expresion", "--data", data, *to], "no recipe 'expresion'", code=78)
    _refused(capsys, ["expression", "--data", data, *to, "--epochs", "0"], "command line: schedule.epochs", code=78)
    (tmp_path / "wrong.toml").write_text("[network]\nwidht = 1")
    wrong = ["wrong.toml: line 2: network.widht: unknown key"]
    _refused(capsys, [str(tmp_path / "wrong.toml"), "--data", data, *to], *wrong, code=78)
    assert not out.exists(), "what cannot begin leaves nothing"
    with pytest.raises(SystemExit) as caught:
        main(["train", "expression"])
    assert caught.value.code == 2


def test_a_folder_of_another_run(done: Run, capsys: pytest.CaptureFixture[str]) -> None:
    _refused(capsys, [*done.words[1:], "--seed", "9"], "checkpoint.npz: a checkpoint of another recipe", "--out")


@pytest.mark.parametrize("option", ["--out", "--models"])
def test_folders_that_cannot_be_made(
    tmp_path: Path, data: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    words = ["expression", "--data", data, "--out", str(tmp_path / "out"), option, str(tmp_path / "file" / "x")]
    _refused(capsys, words, "file/x: cannot be written: Not a directory; free space or name another folder")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own is for one user alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_folder_that_is_read_only(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_table(open_folder / "data", {"Training": 1, "PublicTest": 1, "PrivateTest": 1})
    (open_folder / "locked").mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        words = ["expression", "--data", str(data), "--out", str(open_folder / "locked" / "run")]
        _refused(capsys, words, "locked/run: cannot be written: Permission denied; free space or name another folder")
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("trained", [False, True], ids=["while training", "while writing the model"])
def test_a_full_disk(done: Run, tmp_path: Path, trained: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """RLIMIT_FSIZE makes the kernel refuse the writes as a full disk would, for any user."""
    out = tmp_path / "out"
    if trained:
        out.mkdir()
        shutil.copy(done.out / "checkpoint.npz", out)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        _refused(capsys, [*done.words[1:-1], str(out)], str(out), "cannot be written: File too large; free space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(out.glob("*.partial"))
    assert (out / "checkpoint.npz").exists() == trained


HIDDEN = """
import sys
class Hidden:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] == {package!r} else self.finder.find_spec(name, *rest)
sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
from edge.cli import main
sys.exit(main({words!r}))
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_without_the_packages_of_the_extra(tmp_path: Path, data: str, package: str) -> None:
    """A child in which one package is as if not installed; told before anything is read or made."""
    words = ["train", "expression", "--data", data, "--out", str(tmp_path / "out")]
    child = subprocess.run(
        [sys.executable, "-c", HIDDEN.format(package=package, words=words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 1
    assert child.stderr == (
        f"affect-edge train: error: training needs the package '{package}': install it with  "
        "pip install 'affect-edge[train]'\n"
    )
    assert not (tmp_path / "out").exists()
