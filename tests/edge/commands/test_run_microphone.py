"""`affect-edge run` on a real PyAudio, with a PulseAudio of the test's own in place of a sound card."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from tests.edge.sources.microphone_beds import needs_pulseaudio, needs_pyaudio, pulse_bed
from tests.edge.speech_helpers import talk

pytestmark = [needs_pyaudio, needs_pulseaudio, pytest.mark.usefixtures("speech_model")]


def test_what_is_said_is_heard_until_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pulse_bed(monkeypatch) as bed:
        options = ["--source", "none", "--mic", "monitor", "--json", "--journal", str(tmp_path / "journal.db")]
        child = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            start_new_session=True,
        )
        try:
            assert child.stderr is not None
            for line in child.stderr:
                if line.startswith("camera: none; microphone: monitor"):
                    break
            else:
                pytest.fail("did not start")
            began = time.monotonic()
            bed.play((talk(6, -20) * 32767).astype(np.int16))
            time.sleep(1.0)
            # As a terminal sends it: to the process that reads the microphone too.
            os.killpg(child.pid, signal.SIGINT)
            printed, errors = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()
    assert child.returncode == 0, errors
    assert "Traceback" not in errors
    lines = [json.loads(line) for line in printed.splitlines()]
    # Six seconds have eleven windows; those before, over the edges and after are silence, or half of it. A player that
    # does not get its turn stretches them.
    assert 9 <= len(lines) <= 24
    assert {(line["modality"], line["source"]) for line in lines} == {("speech", "monitor")}
    times = [line["monotonic_time"] for line in lines]
    assert np.median(np.diff(times)) == pytest.approx(0.5, abs=0.06)
    assert np.diff(times).min() > 0.4
    assert began < times[0] < times[-1] < time.monotonic()
    assert "s of sound (silence" in errors
    assert {path.name.split("-")[0] for path in tmp_path.glob("journal*")} == {"journal.db"}


def test_doctor_hears_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pulse_bed(monkeypatch) as bed, bed.feed():
        config = Path(os.environ["XDG_RUNTIME_DIR"]) / "c.toml"
        config.write_text("microphone.source = 'pipemic'")
        monkeypatch.setenv("AFFECT_EDGE_CONFIG", str(config))
        main(["doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    # Numbers drawn evenly from -9000 to 9000.
    expected = 20 * np.log10(9000 / np.sqrt(3) / 32768)
    assert checks["in use: pipemic"]["state"] == "ok"
    assert float(checks["in use: pipemic"]["detail"].split()[-2]) == pytest.approx(expected, abs=1.5)
    assert any(name.endswith("monitor") for name in checks)
