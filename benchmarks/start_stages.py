"""What `benchmarks.startup` starts to see where the start of `affect-edge run` goes: the same steps, one by one.

    python -m benchmarks.start_stages BEGAN

BEGAN is `time.perf_counter()` of the caller just before it started this process: the clock is the machine's
(CLOCK_MONOTONIC on Linux). Prints a JSON object, seconds for each step.
"""

from __future__ import annotations

import json
import sys
import time


def main(began: float) -> None:
    """Take the steps in the order of `edge.commands.run`, and print what each took."""
    stages: dict[str, float] = {}
    last = began

    def done(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        stages[name] = round(now - last, 4)
        last = now

    done("Python itself")

    from importlib.metadata import entry_points

    from edge.cli import COMMAND_GROUP, build_parser

    build_parser([entry for entry in entry_points(group=COMMAND_GROUP) if entry.name == "run"])
    done("command line")

    import numpy as np

    done(f"import numpy {np.__version__}")

    import cv2

    done(f"import cv2 {cv2.__version__}")

    from edge.config import load_config

    config = load_config()
    done("configuration (pydantic)")

    import edge.journal
    import edge.pipeline.camera
    import edge.sources
    from edge.inference.catalog import find_model
    from edge.inference.manifest import verify_model
    from edge.pipeline.faces import FacePipeline

    done("other imports of ours")

    verify_model(find_model("face-detection", config.face.model))
    verify_model(find_model("expression", config.expression.model))
    done("models verified")

    pipeline = FacePipeline.from_config(config)
    done("runtime, models loaded")

    with edge.sources.open_frame_source("demo") as source:
        done("source opened")
        frame = source.read()
        done("first frame")
        assert frame is not None
        pipeline(frame)
        done("first observation")
    print(json.dumps(stages))


if __name__ == "__main__":
    main(float(sys.argv[1]))
