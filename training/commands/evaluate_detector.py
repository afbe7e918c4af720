"""`affect-edge evaluate` for face detectors; see `training.commands.evaluate`."""

from __future__ import annotations

import argparse
import json
import sys

from edge.errors import AffectEdgeError
from edge.inference.manifest import manifest_path


def run(arguments: argparse.Namespace, command: str) -> int:
    """Measure a detector, and write the figures where they belong."""
    if arguments.calibrate:
        raise AffectEdgeError("--calibrate is for expression models: a detector's threshold is set when it is trained")
    from training.evaluation.card import card_path, render_card
    from training.evaluation.detector_report import evaluate_detector

    report, manifest = evaluate_detector(
        arguments.model,
        arguments.data,
        arguments.split,
        float_model=arguments.float_model,
        command=command,
        progress=sys.stderr.isatty() and not arguments.json,
    )
    document = json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
    print(document if arguments.json else report.as_text())
    try:
        if arguments.out:
            (arguments.out / "evaluation.json").write_text(document + "\n", encoding="utf-8")
        if arguments.write_manifest:
            changed = manifest.model_copy(update={"evaluation": {**manifest.evaluation, report.split: report.entry()}})
            changed.write(manifest_path(arguments.model))
            card_path(arguments.model).write_text(render_card(changed), encoding="utf-8")
    except OSError as error:
        raise AffectEdgeError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return 0
