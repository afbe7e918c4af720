"""What `affect-edge doctor` says about the processors that the configuration lets models be computed by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edge.diagnosis import Check
from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.inference import Accelerator
    from edge.inference.manifest import Task


def check_accelerators(config: Config) -> Iterator[Check]:
    """Each model whose section asks for a GPU or leaves the choice to what is measured: what computes it, and why.

    The GPU is really used, by the process that a service would use too; nothing is written.
    """
    asked: list[tuple[str, Task, str, int, Accelerator]] = [
        ("face", "face-detection", config.face.model, config.face.threads, config.face.accelerator),
        ("expression", "expression", config.expression.model, config.expression.threads, config.expression.accelerator),
        ("speech", "speech-emotion", config.speech.model, config.speech.threads, config.speech.accelerator),
        ("text", "text-emotion", config.text.model, config.text.threads, config.text.accelerator),
    ]
    if all(accelerator == "cpu" for *_, accelerator in asked):
        yield Check("accelerators", "all models", "info", "computed by the CPU, says the configuration")
    for section, task, model, threads, accelerator in asked:
        if accelerator != "cpu":
            yield _check(section, task, model, threads, accelerator)


def _check(section: str, task: Task, name: str, threads: int, accelerator: Accelerator) -> Check:
    from edge.inference.accelerator import accelerate
    from edge.inference.catalog import find_model
    from edge.inference.interpreter import load_model
    from edge.inference.manifest import TextInput

    try:
        cpu, manifest = load_model(find_model(task, name), task=task, threads=threads)
        numbers = manifest.input.text.numbers if isinstance(manifest.input, TextInput) else 1
        # Nothing is kept: this command changes nothing.
        found = accelerate(cpu, accelerator, sha256=manifest.sha256, threads=threads, numbers=numbers, keep=False)
    except AffectEdgeError as error:
        return Check("accelerators", section, "fail", str(error))
    if found.fallback_reason:
        mend = f"see the reasons, or set {section}.accelerator = 'cpu'"
        return Check("accelerators", section, "warn", f"the CPU computes it: {found.fallback_reason}", mend)
    return Check("accelerators", section, "ok", f"'{accelerator}': {found.runtime}")
