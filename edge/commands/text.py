"""Name the emotions that texts express, and read what a long one says of its writer's traits.

TEXTs are given as arguments; each --file is one text; else, or for '-', standard input is read line by line, and each
line is answered as it comes. What does not fit in the model at once is answered sentence by sentence, with the mean of
all. A text may express several emotions: their probabilities do not add up to 1. Nothing is kept and nothing leaves the
device. A file that cannot be read is told on stderr, the others are still read, and the exit code is 1.

examples:
  affect-edge text "I can't believe it, that's wonderful!"
  affect-edge text --file letter.txt --show-text --words      sentence by sentence, and what spoke for each label
  transcriber | affect-edge text --json                       a line of JSON for each line that is said
  affect-edge text --file essay.txt --traits                  and the five traits of its writer, with intervals
  affect-edge text -- "-_- really"                            -- in front of a text that begins with a dash
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.commands.text_output import Output
    from edge.recognizers.text_emotion import TextRecognizer
    from edge.recognizers.traits import TraitRecognizer

HELP = "name the emotions that texts express, and read the traits of a long text's writer"

NOTICE = (
    "This names what words express, not what their writer feels or means. A text is no biometric, yet it can tell of "
    "moods, health and beliefs: read the words of others only with their knowledge, and decide nothing about anybody "
    "by the answers."
)

FILE_BYTES = 4_000_000
"""Read of a file at most, and characters of standard input for its writer's traits: some 700,000 words."""


class TextUsageError(AffectEdgeError):
    """Nothing to read was named."""

    exit_code = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a text; - is standard input, line by line")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        dest="files",
        metavar="FILE",
        help="file with one text; may be repeated",
    )
    parser.add_argument(
        "--traits",
        action="store_true",
        help="for each TEXT and FILE, and for all lines of standard input together, the scores of the five traits",
    )
    parser.add_argument("--words", action="store_true", help="the words that weighed most for each emotion named")
    parser.add_argument("--show-text", action="store_true", help="print the text beside its answer")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each answer")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration (TOML); see validate-config")
    parser.add_argument(
        "--model", metavar="NAME", help="for emotions: name or .tflite file, in place of the configuration's"
    )
    parser.add_argument("--traits-model", metavar="NAME", help="the same for traits (default: traits)")


def run(arguments: argparse.Namespace) -> int:
    from edge.commands.text_output import JsonOutput, WordOutput
    from edge.config import load_config
    from edge.inference.catalog import find_model
    from edge.recognizers.text_emotion import TextRecognizer
    from edge.recognizers.traits import TraitRecognizer

    texts = arguments.texts
    if not texts and not arguments.files:
        if _is_terminal():
            raise TextUsageError("no text: give one as an argument, a --file, or pipe lines into it (- to type them)")
        texts = ["-"]
    config = load_config(arguments.config)
    threads, accelerator = config.text.threads, config.text.accelerator
    model = find_model("text-emotion", arguments.model or config.text.model)
    emotions = TextRecognizer(model, threads=threads, accelerator=accelerator)
    traits = None
    if arguments.traits:
        model = find_model("traits", arguments.traits_model or "traits")
        traits = TraitRecognizer(model, threads=threads, accelerator=accelerator)
    print(NOTICE, file=sys.stderr)
    make = JsonOutput if arguments.json else WordOutput
    output = make(emotions.labels, words=arguments.words, show_text=arguments.show_text)
    reader = _Reader(emotions, traits, output)
    for number, text in enumerate(texts, start=1):
        if text == "-":
            reader.read_lines()
        else:
            reader.read(text, source="argument", number=number)
    failed = 0
    for path in arguments.files:
        try:
            reader.read(_content(path), source=path, number=1)
        except AffectEdgeError as error:
            print(f"affect-edge text: error: {error}", file=sys.stderr)
            failed += 1
    output.end()
    return 1 if failed else 0


class _Reader:
    """Asks the models about each text, and hands the answers on."""

    def __init__(self, emotions: TextRecognizer, traits: TraitRecognizer | None, output: Output) -> None:
        self._emotions = emotions
        self._traits = traits
        self._output = output

    def read(self, text: str, *, source: str, number: int) -> None:
        """One text, as a whole."""
        self._read_emotions(text, source=source, number=number)
        self._read_traits(text, source=source, number=number)

    def read_lines(self) -> None:
        """Standard input, each line as it comes, and in the end what all of them together say of traits."""
        from edge.sources.text import open_text_source

        kept: list[str] = []
        room = FILE_BYTES if self._traits else 0
        with open_text_source("-") as lines:
            for line in lines:
                self._read_emotions(line.text, source="-", number=line.number + 1)
                if room > 0:
                    kept.append(line.text[:room])
                    room -= len(kept[-1]) + 1
                    if room <= 0:
                        _tell_cut("standard input", "characters", "for traits")
        self._read_traits("\n".join(kept), source="-", number=None)

    def _read_emotions(self, text: str, *, source: str, number: int) -> None:
        from edge.commands.text_output import Place

        parts = self._emotions.parts(text)
        if not parts:
            self._output.emotion(Place(source, number, 1, 1), text, None, {})
        for count, part in enumerate(parts, start=1):
            found = self._emotions.recognize(part)
            weights = self._emotions.weighed(part) if found and self._output.words else {}
            self._output.emotion(Place(source, number, count, len(parts)), part, found, weights)

    def _read_traits(self, text: str, *, source: str, number: int | None) -> None:
        from edge.commands.text_output import Place
        from edge.recognizers.traits import Traits

        if self._traits is None:
            return
        found = self._traits.read(text)
        weights = self._traits.weighed(text) if isinstance(found, Traits) else {}
        measured = self._traits.manifest.traits
        assert measured is not None  # the recognizer's own check
        self._output.traits(Place(source, number, 1, 1), found, weights, measured.words_measured)


def _content(path: str) -> str:
    """A file's text, whatever its bytes are."""
    import codecs

    from edge.errors import SourceError

    try:
        if path == "-":
            if sys.stdin is None:
                raise SourceError("standard input is closed: pipe text into it")
            data = sys.stdin.buffer.read(FILE_BYTES + 1)
        else:
            with Path(path).open("rb") as stream:
                data = stream.read(FILE_BYTES + 1)
    except IsADirectoryError:
        raise SourceError(f"'{path}' is a folder; name the files in it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, or standard input that was closed
        raise SourceError(f"cannot read '{path}': {getattr(error, 'strerror', None) or error}") from None
    if len(data) > FILE_BYTES:
        _tell_cut(f"'{path}'", "bytes", "")
        data = data[:FILE_BYTES]
    # Zero bytes are no text in UTF-8, but half of it in what some editors write.
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    return data.decode(encoding, errors="replace")


def _tell_cut(what: str, unit: str, purpose: str) -> None:
    read = f"read {purpose}".rstrip()
    print(f"affect-edge text: only the first {FILE_BYTES:,} {unit} of {what} are {read}", file=sys.stderr)


def _is_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
