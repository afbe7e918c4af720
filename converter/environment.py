"""TensorFlow as the converter needs it: legacy Keras behind `tf.keras`, and quiet.

TFMOT takes only models of legacy Keras (`tf_keras`), and so does everything here that rebuilds a model. TensorFlow
decides once in a process, at the first use of `tf.keras`, which Keras that name stands for: `prepare` decides it for
legacy Keras. `import keras` stays Keras 3, with whatever backend it was configured for, so that a Keras 3 model can
be trained and converted in one process.
"""

from __future__ import annotations

import importlib
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from edge.errors import AffectEdgeError, MissingDependencyError

logger = logging.getLogger(__name__)

_PACKAGES = {  # module: distribution
    "tensorflow": "tensorflow",
    "tf_keras": "tf_keras",
    "keras": "keras",
    "tensorflow_model_optimization": "tensorflow-model-optimization",
}


def prepare() -> None:
    """Import TensorFlow, both Keras and TFMOT so that they work together; cheap when done before.

    Raises
    ------
    MissingDependencyError
        One of them is not installed.
    AffectEdgeError
        TensorFlow already stands in this process with Keras 3 behind `tf.keras`.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        for module, distribution in _PACKAGES.items():
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
                raise MissingDependencyError(distribution, "convert", "converting a model") from None
    import tensorflow as tf
    import tf_keras

    if tf.keras.Model is not tf_keras.Model:
        raise AffectEdgeError(
            "TensorFlow was used in this process with Keras 3 as tf.keras, where the converter needs legacy Keras: "
            "set TF_USE_LEGACY_KERAS=1 before Python starts, or call converter.environment.prepare() first"
        )
    tf.get_logger().setLevel(logging.ERROR)


def versions() -> dict[str, str]:
    """Versions of the packages that take part in a conversion, for the manifest."""
    return {distribution: version(distribution) for distribution in _PACKAGES.values()}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow's C++ parts write to stderr out of the user's sight; `--verbose` logs it.

    Its log level does not reach them all: some speak before the level is read. The file descriptor does.
    """
    with tempfile.TemporaryFile() as sink:
        terminal = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            sink.seek(0)
            for line in sink.read().decode(errors="replace").splitlines():
                logger.debug("%s", line)
