"""Interpreters in processes of their own, what they are compared on, and the comparison. No test looks at a time."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import interpreters, model_inputs, tflite_runtime_environment
from benchmarks.fetching import UnavailableError
from benchmarks.interpreter_process import InterpreterProcess, Place
from benchmarks.model_inputs import Folders
from converter.verify import quantise
from edge.errors import AffectEdgeError, ModelError
from edge.inference.catalog import MODELS_VARIABLE, InstalledModel, find_model
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import Manifest, manifest_path, read_manifest
from edge.recognizers.speech_emotion import SpeechRecognizer
from tests.benchmarks.conftest import Benchmark
from tests.edge.speech_helpers import WINDOWS, install_speech_model
from tests.edge.text_helpers import EMOTIONS, install_text_model, install_trait_model

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)

HERE = Place("litert", "litert", (sys.executable,))


def manifest_of(model: Path) -> Manifest:
    return read_manifest(manifest_path(model))


def shipped(task: str, name: str) -> Path:
    """A model of this project; skips where there is none."""
    try:
        return find_model(task, name)
    except AffectEdgeError as error:
        pytest.skip(str(error))


def test_a_process_answers_as_the_interpreter_here(tmp_path: Path) -> None:
    with InterpreterProcess(HERE) as process:
        assert process.about["runtime"].startswith("litert ")
        assert process.about["numpy"] == np.__version__
        for model in (install_trait_model(tmp_path), install_text_model(tmp_path)):
            rows = model_inputs.made_up(manifest_of(model), 5).rows
            interpreter = load_interpreter(model)
            process.load(model)
            expected = np.concatenate([interpreter.run(row[None]) for row in rows])
            assert len(np.unique(expected, axis=0)) > 1
            np.testing.assert_array_equal(process.run(rows), expected)
            assert len(process.seconds(7)) == 7 and min(process.seconds(1)) > 0
        assert process.kernels in ("XNNPACK", "builtin")


def test_the_wrong_runtime_is_told() -> None:
    with pytest.raises(ModelError, match="other: /nowhere/python cannot be started: No such file"):
        InterpreterProcess(Place("other", "litert", ("/nowhere/python",)))
    with pytest.raises(ModelError, match="other: ended while it starts, with code 1; it said nothing"):
        InterpreterProcess(Place("other", "litert", ("false",)))
    nothing = Place("bare", "litert", (sys.executable, "-S", "-I"))
    with pytest.raises(ModelError, match="bare: ended while it starts, with code 1; ModuleNotFoundError: No module"):
        InterpreterProcess(nothing)


def test_a_process_that_ends_says_over_what(tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(20))
    with InterpreterProcess(HERE) as process, pytest.raises(ModelError, match=r"while .*broken\.tflite is loaded, "):
        process.load(broken)
    model = install_trait_model(tmp_path)
    with InterpreterProcess(HERE) as process:
        process.load(model)
        os.kill(process._process.pid, signal.SIGKILL)
        with pytest.raises(ModelError, match=r"traits\.tflite runs, by SIGKILL"):
            process.run(model_inputs.made_up(manifest_of(model), 2).rows)
        scratch = Path(process._scratch.name)
    assert not scratch.exists()


def test_made_up_rows_are_noise_or_sentences(tmp_path: Path) -> None:
    speech = manifest_of(install_speech_model(tmp_path))
    noise = model_inputs.made_up(speech, 50).rows
    assert noise.shape == (50, *speech.input.shape[1:]) and noise.dtype == np.int8
    assert (noise.min(), noise.max()) == (-128, 127)
    np.testing.assert_array_equal(noise, model_inputs.made_up(speech, 50).rows)
    assert (noise != model_inputs.made_up(speech, 50, seed=1).rows).any()

    text = manifest_of(install_text_model(tmp_path))
    sentences = model_inputs.made_up(text, 20).rows
    assert sentences.shape == (20, *text.input.shape[1:]) and sentences.dtype == np.int32
    assert sentences.min() >= 0 and sentences.max() < text.text_input.text.numbers
    assert (sentences > 0).mean() > 0.8


def test_a_test_set_is_what_the_device_would_store(tmp_path: Path) -> None:
    from tests.training.conftest import write_table
    from tests.training.photo_folder import write_photos
    from tests.training.text_data import EKMAN_NAMES, write_essays, write_goemotions
    from training.datasets.fer2013 import read_faces

    faces = write_table(tmp_path / "fer", {"Training": 1, "PublicTest": 1, "PrivateTest": 2})
    model = shipped("expression", "expression")
    folders = Folders(faces=faces)
    found = model_inputs.test_set(model, manifest_of(model), folders)
    assert found is not None and found.source == "FER-2013, test: 14 faces"
    spec = manifest_of(model).input
    pixels = (found.rows[..., 0].astype(np.float64) - spec.zero_point) * spec.scale * 255
    np.testing.assert_allclose(pixels, read_faces(faces)["test"].images, atol=0.5)

    model = shipped("text-emotion", "text")
    assert model_inputs.test_set(model, manifest_of(model), folders) is None
    comments = write_goemotions(tmp_path / "text", names=EKMAN_NAMES)
    found = model_inputs.test_set(model, manifest_of(model), Folders(text=comments))
    assert found is not None and found.rows.dtype == np.int32
    assert found.source == f"GoEmotions, test: {len(found.rows)} comments"

    model = install_trait_model(tmp_path / "models")
    write_essays(tmp_path / "essays", [("the party was a dream " * 9, (1, 0, 1, 0, 1)), ("a plan", (0, 1, 0, 1, 0))])
    found = model_inputs.test_set(model, manifest_of(model), Folders(text=tmp_path / "essays"))
    # 45 words in runs of 20 tokens, and two words.
    assert found is not None and found.rows.shape == (4, 20, 3)

    model = shipped("face-detection", "face_near")
    held_out = manifest_of(model).training["settings"]["data"]["test_sources"]
    write_photos(tmp_path / "photos", {"seen": (3, 0), **dict.fromkeys(held_out, (1, 1))})
    found = model_inputs.test_set(model, manifest_of(model), Folders(photographs=tmp_path / "photos"))
    assert found is not None and found.rows.shape == (2 * len(held_out), *manifest_of(model).input.shape[1:])


def test_a_speech_model_answers_as_a_whole(tmp_path: Path) -> None:
    head = install_speech_model(tmp_path)
    recognizer = SpeechRecognizer(head)
    windows = np.random.default_rng(0).normal(size=(3, WINDOWS, 64, 64)).astype(np.float32)
    stored = quantise(windows[..., None], recognizer._encoder)
    with InterpreterProcess(HERE) as process:
        answers = model_inputs.answer(process, head, recognizer.manifest, stored)
    encoded = [np.stack([recognizer.encode(window) for window in clip]) for clip in windows]
    np.testing.assert_array_equal(answers, np.concatenate([recognizer._head.run(each[None]) for each in encoded]))


def test_inputs_are_thinned_evenly(tmp_path: Path) -> None:
    manifest = manifest_of(install_trait_model(tmp_path))
    rows = model_inputs.inputs_of(Path("traits"), manifest, Folders(), made_up_rows=11, most=3).rows
    np.testing.assert_array_equal(rows, model_inputs.made_up(manifest, 11).rows[[0, 5, 10]])


def test_decisions_are_what_a_user_sees(tmp_path: Path) -> None:
    model = install_text_model(tmp_path, thresholds=(0.5,) * len(EMOTIONS))
    manifest = manifest_of(model)
    answers = np.full((2, len(EMOTIONS)), manifest.output.zero_point - 20, np.int8)
    answers[0, 3] = answers[1, 4] = answers[1, 5] = manifest.output.zero_point + 20
    decided = model_inputs.decisions(model, manifest, answers)
    assert decided is not None
    assert decided.tolist() == [[3, 0, 0, 0, 1, 0, 0, 0], [4, 0, 0, 0, 0, 1, 1, 0]]

    model = install_trait_model(tmp_path)
    zero = manifest_of(model).output.zero_point
    decided = model_inputs.decisions(model, manifest_of(model), np.array([[zero - 1, zero, zero + 1, 0, 0]], np.int8))
    assert decided is not None and decided[0, :3].tolist() == [0, 0, 1]

    head = install_speech_model(tmp_path)
    decided = model_inputs.decisions(head, manifest_of(head), np.array([[1, 5, 5, 0, 2]], np.int8))
    assert decided is not None and decided.tolist() == [[1]]
    encoder = tmp_path / "speech-encoder" / "speech.tflite"
    assert model_inputs.decisions(encoder, manifest_of(encoder), np.zeros((1, 12), np.int8)) is None


def test_what_differs_is_counted(tmp_path: Path) -> None:
    head = install_speech_model(tmp_path)
    model = InstalledModel("speech-emotion", "speech", head)
    here = np.array([[1, 9, 0, 0, 0], [3, 0, 5, 0, 0], [0, 7, 9, 0, 0], [0, 0, 0, 0, 8]], np.int8)
    there = here.copy()
    there[1, 0], there[2, 2] = 7, 6
    answers = {"litert": here, "litert builtin": here, "other": there, "modern": here}
    kernels = dict.fromkeys(answers, "builtin") | {"litert": "XNNPACK", "modern": "XNNPACK"}
    among, found, modern = interpreters._compare(model, manifest_of(head), answers, kernels)
    assert (among["place"], among["beside"]) == ("litert builtin", "litert") and among["same_bits"] == 4
    assert (modern["place"], modern["beside"]) == ("modern", "litert") and modern["same_label"] == 4
    assert found == {
        "place": "other",
        "beside": "litert builtin",
        "same_bits": 2,
        "largest_difference": 4,
        "same_decision": 2,
        "same_label": 2,
        "widest_margin": 2,
    }
    results: dict[str, Any] = {
        "models": [{"task": "speech-emotion", "name": "speech", "rows": 4, "answers": [found]}],
    }
    assert interpreters.differing(results) == [
        "speech-emotion/speech: 2 of 4 labels differ between litert builtin and other"
    ]
    results["models"][0]["answers"] = [found | {"same_label": 4}, found | {"beside": "litert"}]
    assert interpreters.differing(results) == []


def test_what_cannot_be_had_is_left_out_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(folder: Path) -> Path:
        raise UnavailableError(f"{folder}: no wheels")

    monkeypatch.setattr(interpreters, "environment_python", unavailable)
    found, absent = interpreters.places(tmp_path)
    assert [place.name for place in found[:2]] == ["litert", "litert builtin"]
    assert "tflite-runtime" not in [place.name for place in found]
    assert f"{tmp_path}: no wheels" in absent
    monkeypatch.setattr(interpreters, "find_spec", lambda module: None)
    with pytest.raises(ModelError, match="pip install ai-edge-litert"):
        interpreters.places(tmp_path)


def test_an_environment_is_made_once_and_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []

    def call(command: list[str], purpose: str) -> None:
        calls.append(command)
        (tmp_path / "env" / "bin").mkdir(parents=True, exist_ok=True)
        if fails and "pip" in command:
            raise UnavailableError(f"{purpose}: no network")

    monkeypatch.setattr(tflite_runtime_environment, "call", call)
    monkeypatch.setattr(tflite_runtime_environment, "_find_python", lambda: "python3.11")
    fails = True
    with pytest.raises(UnavailableError, match="no network"):
        tflite_runtime_environment.environment_python(tmp_path / "env")
    assert not (tmp_path / "env").exists()
    fails = False
    python = tflite_runtime_environment.environment_python(tmp_path / "env")
    assert python == tmp_path / "env" / "bin" / "python"
    done = len(calls)
    assert {"numpy<2", "tflite-runtime==2.14.0"} < set(calls[-1])
    assert tflite_runtime_environment.environment_python(tmp_path / "env") == python and len(calls) == done
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    with pytest.raises(UnavailableError, match="holds something else"):
        tflite_runtime_environment.environment_python(tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").exists() and len(calls) == done


def test_without_a_fitting_python_the_one_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tflite_runtime_environment, "PYTHONS", ("2.6",))
    with pytest.raises(UnavailableError, match=r"install one, for example python2\.6"):
        tflite_runtime_environment._find_python()


def test_three_runtimes_are_compared(benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_trait_model(tmp_path)
    shutil.copytree(shipped("expression", "expression").parent, tmp_path / "expression")
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path))
    done = benchmark("interpreters", "--json", "--quick", "--threads", "1", "--model", "traits", "expression")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    names = [place["name"] for place in found["places"]]
    assert names[:2] == ["litert", "litert builtin"]
    assert len({place["runtime"] for place in found["places"]}) + len(found["absent"]) == 3
    assert found["places"][1]["kernels"] == "builtin"
    assert [model["name"] for model in found["models"]] == ["expression", "traits"]
    for model in found["models"]:
        assert [answer["place"] for answer in model["answers"]] == names[1:]
        assert model["rows"] == 32
        for answer in model["answers"]:
            if answer["beside"] == "litert builtin":
                assert answer["same_bits"] == 32
                assert answer["largest_difference"] == 0
        (times,) = model["times"]
        assert times["milliseconds"].keys() == times["ratios"].keys() == set(names)
        assert times["ratios"]["litert"] == 1.0
    for line in ("beside those of", "milliseconds of invoke()", *found["absent"]):
        assert line in interpreters.table(found)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--model", "unheard-of"), 1, "no model or task 'unheard-of'; installed are: "),
        (("--faces", "absent", "--model", "expression", "--quick"), 1, "absent: no such folder"),
        (("--rounds", "0"), 2, "0 is not 1 or more"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark("interpreters", *arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
