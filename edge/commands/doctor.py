"""Say what this machine has and what it lacks, each with its mend.

Looks at Python and the packages, the TensorFlow Lite runtimes, the models (hash, loading, tensors), the cameras and the
permission to open them, the microphones and how loud the one in use is, where text is to come from, the configuration,
the journal's folder and disk, the GPU where the configuration asks for one, and on a board its temperature and what
throttles it. Nothing is changed, no camera is switched on, no socket opened, no text read; the microphone is listened
to for a second, of which nothing is kept. Exit code 1 if something fails, else 0.

  affect-edge doctor
  affect-edge doctor --json     # for programs: {"ok": ..., "checks": [{topic, name, state, detail, mend}]}
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator

from edge.diagnosis import Check

HELP = "say what is installed and what is missing, with the mend"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def run(arguments: argparse.Namespace) -> int:
    checks: list[Check] = []
    topic = ""
    for check in _all_checks():
        checks.append(check)
        if arguments.json:
            continue
        if check.topic != topic:
            topic = check.topic
            print(topic)
        print(f"  {check.state:4}  {check.name}: {check.detail}", flush=True)
        if check.mend:
            print(f"        mend: {check.mend}")
    ok = all(check.state != "fail" for check in checks)
    if arguments.json:
        print(json.dumps({"ok": ok, "checks": [check.as_dict() for check in checks]}, ensure_ascii=False))
    else:
        counts = {state: sum(check.state == state for check in checks) for state in ("fail", "warn")}
        print(f"{counts['fail']} failed, {counts['warn']} to look at" if any(counts.values()) else "all is well")
    return 0 if ok else 1


def _all_checks() -> Iterator[Check]:
    from edge import diagnosis, diagnosis_accelerator, diagnosis_sound, diagnosis_text

    config, config_check = diagnosis.check_config()
    yield from diagnosis.check_platform()
    yield from diagnosis.check_packages()
    yield from diagnosis.check_runtimes()
    yield from diagnosis.check_models(config)
    yield from diagnosis_sound.check_speech_model(config)
    yield from diagnosis_text.check_text_model(config)
    yield from diagnosis.check_cameras(config)
    yield from diagnosis_sound.check_microphones(config)
    yield from diagnosis_text.check_text_source(config)
    yield config_check
    yield from diagnosis.check_journal(config)
    yield from diagnosis_accelerator.check_accelerators(config)
    yield from diagnosis.check_board()
