"""Short programs that load one .tflite file, with its own shapes, scales, zero points and labels filled in.

Python for a board, Kotlin for Android, Swift for iOS, C++ for whatever has TensorFlow Lite's C++ library. Each takes
real numbers, stores them as the file's input wants, runs the model and gives real numbers back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Literal, get_args

import numpy as np

from converter.outputs import snippet_templates as templates
from converter.outputs.c_array import identifier
from converter.writing import write_whole
from edge.errors import ModelError
from edge.inference.interpreter import TensorInfo, load_interpreter

Language = Literal["python", "kotlin", "swift", "cpp"]

_FILES: dict[Language, tuple[str, Template]] = {
    "python": ("{name}_python.py", templates.PYTHON),
    "kotlin": ("{name}_android.kt", templates.KOTLIN),
    "swift": ("{name}_ios.swift", templates.SWIFT),
    "cpp": ("{name}_cpp.cc", templates.CPP),
}
_TYPES: dict[str, dict[str, str]] = {
    "swift": {"int8": "Int8", "uint8": "UInt8", "int16": "Int16", "int32": "Int32", "float32": "Float"},
    "cpp": {
        "int8": "std::int8_t",
        "uint8": "std::uint8_t",
        "int16": "std::int16_t",
        "int32": "std::int32_t",
        "float32": "float",
    },
}


def write_snippets(
    model: Path,
    folder: Path,
    *,
    labels: Sequence[str] = (),
    takes: str = "real numbers, as the model was trained on them",
    languages: Sequence[Language] = get_args(Language),
) -> list[Path]:
    """Write one program for each language.

    Parameters
    ----------
    model
        The .tflite file; its name is what the programs load.
    folder
        To write into.
    labels
        Of the outputs, in their order; none for a model that names nothing.
    takes
        What the input is, for a comment: 'grey pixels, 0 to 255 as 0 to 1'.

    Returns
    -------
    The files' paths, in the order of `languages`

    Raises
    ------
    ModelError
        The file is missing or damaged, or stores numbers that no snippet has a type for.
    """
    values = _values(model, labels, takes)
    written = []
    for language in languages:
        file, template = _FILES[language]
        text = template.substitute(values | _in(language, values))
        written.append(write_whole(folder / file.format(name=identifier(model.stem)), text))
    return written


def _values(model: Path, labels: Sequence[str], takes: str) -> dict[str, str]:
    interpreter = load_interpreter(model)
    entry, out = interpreter.input, interpreter.output
    for side, info in (("input", entry), ("output", out)):
        if info.dtype.name not in _TYPES["cpp"]:
            raise ModelError(f"{model}: its {side} is {info.dtype}; snippets know {', '.join(_TYPES['cpp'])}")
    if not model.name.isprintable() or set(model.name) & set('"\\$'):
        raise ModelError(f"{model}: a name with quotes, backslashes or dollar signs does not fit into code; rename it")
    name = identifier(model.stem)
    return {
        "file": model.name,
        "name": name,
        "type": "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Model",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "takes": " ".join(takes.split()),
        "input_dtype": entry.dtype.name,
        "output_dtype": out.dtype.name,
        "input_shape": ", ".join(map(str, entry.shape)),
        "output_shape": ", ".join(map(str, out.shape)),
        "input_size": str(int(np.prod(entry.shape))),
        "output_size": str(int(np.prod(out.shape))),
        "input_scale": _number(entry.scale),
        "input_zero_point": str(entry.zero_point),
        "output_scale": _number(out.scale),
        "output_zero_point": str(out.zero_point),
        "input_low": str(_limits(entry)[0]),
        "input_high": str(_limits(entry)[1]),
        "labels": ", ".join(_quoted(label) for label in labels),
    }


def _in(language: Language, values: dict[str, str]) -> dict[str, str]:
    """What one language calls the stored types, and how it stores and reads them."""
    entry, out = values["input_dtype"], values["output_dtype"]
    more: dict[str, str] = {}
    if language == "python":
        store, read = templates.PYTHON_STORE[_kind(entry)], templates.PYTHON_READ[_kind(out)]
        more["labels"] = f"({values['labels']},)" if values["labels"] else "()"
    elif language == "kotlin":
        store, read = templates.KOTLIN_STORE[entry], templates.KOTLIN_READ[out]
        more |= {"input_bytes": _bytes(entry), "output_bytes": _bytes(out)}
        more["labels"] = values["labels"].replace("$", "\\$")  # which in Kotlin's strings asks for a value
        more["label_function"] = templates.KOTLIN_LABEL if values["labels"] else ""
    elif language == "swift":
        store, read = templates.SWIFT_STORE[_kind(entry)], templates.SWIFT_READ[_kind(out)]
        more["label_function"] = _filled(templates.SWIFT_LABEL, {}) if values["labels"] else ""
    else:
        store, read = templates.CPP_STORE[_kind(entry)], templates.CPP_READ[_kind(out)]
        more["cpp_labels"] = _filled(templates.CPP_LABELS, values) if values["labels"] else ""
        more["cpp_print"] = _filled(templates.CPP_PRINT, values) if values["labels"] else ""
    if language in _TYPES:
        more |= {"input_type": _TYPES[language][entry], "output_type": _TYPES[language][out]}
    return {**more, "store": _filled(store, values | more), "read": _filled(read, values | more)}


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)


def _kind(dtype: str) -> str:
    return {"float32": "float", "int32": "numbers"}.get(dtype, "quantised")


def _bytes(dtype: str) -> str:
    return str(np.dtype(dtype).itemsize)


def _limits(info: TensorInfo) -> tuple[int, int]:
    if info.dtype.kind == "f":
        return 0, 0
    limits = np.iinfo(info.dtype)
    return int(limits.min), int(limits.max)


def _number(value: float) -> str:
    text = f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"


def _quoted(label: str) -> str:
    # Of printable letters JSON escapes quotes and backslashes, as all four languages do.
    return json.dumps("".join(letter if letter.isprintable() else " " for letter in label), ensure_ascii=False)
