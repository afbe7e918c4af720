"""One interpreter interface over LiteRT, tflite-runtime and TensorFlow, and the manifest that says what a model is."""

from __future__ import annotations

from typing import Literal

Accelerator = Literal["cpu", "gpu", "auto"]
"""What computes a model: 'cpu'; 'gpu', or the CPU where no GPU can; 'auto', whichever was measured to be faster."""
