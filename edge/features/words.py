"""From text to tokens: what is written differently and means the same becomes the same word.

Pure Python, on the device as in training. A token is a word, a run of punctuation, an emoticon, or an emoji by its
Unicode name, so that a model can learn them all alike.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MOST_CHARACTERS: Final = 200_000
"""Of one text; what comes after is left out, so that a line without an end costs neither time nor memory."""

_QUOTES: Final = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'", "“": '"', "”": '"'})

# Marks that only say how the character before is drawn: accents on Latin letters, skin tones, variation selectors,
# joiners, the box that encloses a keycap, and the tags behind a flag.
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u200b-\u200f\u2060\ufe00-\ufe0f\u20e3\ufeff\U0001f3fb-\U0001f3ff\U000e0000-\U000e007f]"
)

_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")

_ELONGATED: Final = re.compile(r"([^\W\d_])\1{2,}")

_WHOLE_CONTRACTIONS: Final = {
    "can't": "cannot",
    "won't": "will not",
    "shan't": "shall not",
    "ain't": "is not",
    "y'all": "you all",
    "let's": "let us",
    "cant": "cannot",
    "wont": "will not",
    "dont": "do not",
    "doesnt": "does not",
    "didnt": "did not",
    "isnt": "is not",
    "wasnt": "was not",
    "arent": "are not",
    "couldnt": "could not",
    "wouldnt": "would not",
    "shouldnt": "should not",
    "havent": "have not",
    "im": "i am",
    "ive": "i have",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "got to",
}

_ENDINGS: Final = {"n't": " not", "'re": " are", "'ve": " have", "'ll": " will", "'m": " am", "'d": " would", "'s": ""}

_CONTRACTED: Final = re.compile(
    rf"\b(?:({'|'.join(map(re.escape, _WHOLE_CONTRACTIONS))})|([a-z]+?)({'|'.join(_ENDINGS)}))(?![\w'])"
)

_TOKEN: Final = re.compile(
    r"""
    (?P<address>(?:https?://|www\.)\S+|\S+@\S+\.\w+)
  | (?P<name>\[\w+\]|[@#]\w+)                           # [NAME] in GoEmotions; a user, a topic
  | (?P<emoticon>[<>]?[:;=xX][-o*']?[)\](\[dDpP/\\|3*oO]+(?!\w)|<3+|\^_+\^|[tT][_.][tT](?!\w))
  | (?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)
  | (?P<number>\d+(?:[.,:]\d+)*)
  | (?P<marks>[!?]+|\.{2,}|[.,;"()*/~-])
  | (?P<symbol>[^\s\w])
    """,
    re.VERBOSE,
)

# Up to a mark that ends it, with the quotes and brackets that it closes and the emoticons and emoji behind.
_SENTENCE: Final = re.compile(
    r"""\S.*?(?:[.!?…]+["')\]”’»]*(?:\s+[^\w\s\x00-\x1f\x7f]+(?=\s|$))*(?=\s|$)|[。！？]|$)""",
)

_LINE_ENDS: Final = re.compile(r"[\r\n\u2028\u2029]+")


def normalise(text: str) -> str:
    """One text in its plain form: compatible characters the same (Unicode NFKC), lower case, quotes and spaces alike,
    no control characters, letters repeated at most twice ('sooo' as 'soo'), contractions written out ('can't' as
    'cannot').
    """
    plain = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).translate(_QUOTES)
    # Decomposed, an accent is a mark of its own; other scripts keep theirs, which are part of their letters.
    plain = _MARKS.sub("", unicodedata.normalize("NFD", plain))
    plain = unicodedata.normalize("NFC", _CONTROL.sub(" ", plain)).lower()
    plain = _ELONGATED.sub(r"\1\1", plain)
    return " ".join(_CONTRACTED.sub(_written_out, plain).split())


def tokenise(text: str) -> list[str]:
    """The tokens of a text, normalised.

    Addresses are '<url>', numbers '<number>', users and topics lose their mark; a symbol is its Unicode name between
    colons, such as ':thumbs_up_sign:'; runs of ! and ? are kept to three.
    """
    tokens = []
    for found in _TOKEN.finditer(normalise(text)):
        kind, token = found.lastgroup, found.group()
        if kind == "address":
            token = "<url>"
        elif kind == "number":
            token = "<number>"
        elif kind == "marks":
            token = token[:3]
        elif kind == "symbol":
            if unicodedata.category(token)[0] == "M":
                continue  # a vowel sign, say, whose letter stands alone for a recognizer of English
            token = _symbol(token)
        elif kind == "name" and token[0] != "[":
            token = token[1:]
        tokens.append(token)
    return tokens


def is_word(token: str) -> bool:
    """Whether a token is a word, rather than punctuation, a number or a symbol."""
    return token[0].isalpha()


def sentences(text: str) -> list[str]:
    """The sentences of a text, trimmed, without empty ones: cut at ends of lines and behind . ! ? and the like."""
    return [found.group().rstrip() for line in _LINE_ENDS.split(text) for found in _SENTENCE.finditer(line)]


def _written_out(found: re.Match[str]) -> str:
    whole, stem, ending = found.groups()
    return _WHOLE_CONTRACTIONS[whole] if whole else stem + _ENDINGS[ending]


@lru_cache(maxsize=4096)
def _symbol(character: str) -> str:
    name = unicodedata.name(character, "symbol")
    return f":{name.lower().replace(' ', '_')}:"
