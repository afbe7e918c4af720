"""Recordings told by their public file names, wherever they lie, and what else the corpora say."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("soundfile")

from edge.errors import DataError
from edge.observation import NO_SPEECH
from tests.training.speech_corpus import PEOPLE, write_corpora
from training.datasets.speech_corpora import Clip, of_corpora, read_clips
from training.datasets.speech_votes import read_voice_votes, vote_key


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def only(folder: Path) -> Clip:
    (clip,) = read_clips(folder)
    return clip


@pytest.mark.parametrize("place", ["", "Actor_12/", "a/b/c d/"])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".WAV"])
def test_ravdess(tmp_path: Path, place: str, suffix: str) -> None:
    touch(tmp_path, f"{place}03-01-06-01-02-01-12{suffix}")
    clip = only(tmp_path)
    assert (clip.corpus, clip.speaker, clip.emotion) == ("ravdess", "ravdess 12", "fearful")
    assert (clip.sentence, clip.intensity) == ("02", "normal")
    assert clip.groups == {"sex": "female"}


@pytest.mark.parametrize(
    ("number", "emotion"),
    list(enumerate(("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), start=1)),
)
def test_emotions_of_ravdess(tmp_path: Path, number: int, emotion: str) -> None:
    touch(tmp_path, f"03-01-{number:02}-02-01-02-07.wav")
    clip = only(tmp_path)
    assert (clip.emotion, clip.intensity, clip.groups["sex"]) == (emotion, "strong", "male")


@pytest.mark.parametrize(
    ("code", "emotion"),
    [("ANG", "angry"), ("DIS", "disgust"), ("FEA", "fearful"), ("HAP", "happy"), ("NEU", "neutral"), ("SAD", "sad")],
)
def test_emotions_of_crema_d(tmp_path: Path, code: str, emotion: str) -> None:
    touch(tmp_path, f"AudioWAV/1042_IEO_{code}_HI.wav")
    clip = only(tmp_path)
    assert (clip.corpus, clip.speaker, clip.emotion) == ("crema-d", "crema-d 1042", emotion)
    assert (clip.sentence, clip.intensity, clip.groups) == ("IEO", "HI", {})


def test_the_one_file_with_another_intensity(tmp_path: Path) -> None:
    touch(tmp_path, "1040_ITH_SAD_X.ogg")
    assert only(tmp_path).emotion == "sad"


@pytest.mark.parametrize(
    ("name", "speaker"),
    [
        ("1-100032-A.ogg", "sounds 1"),  # ESC-10
        ("audio/5-9032-B-0.wav", "sounds 5"),  # ESC-50, with its class
    ],
)
def test_sounds_by_their_names(tmp_path: Path, name: str, speaker: str) -> None:
    touch(tmp_path, name)
    clip = only(tmp_path)
    assert (clip.corpus, clip.speaker, clip.emotion) == ("sounds", speaker, NO_SPEECH)


@pytest.mark.parametrize("folder", ["no_speech", "No-Speech", "esc10", "ESC-10"])
def test_any_file_in_a_folder_without_speech(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, *(f"{folder}/below/kettle {number}.wav" for number in range(40)))
    clips = read_clips(tmp_path)
    assert {clip.emotion for clip in clips} == {NO_SPEECH}
    assert {clip.speaker for clip in clips} == {f"sounds {group}" for group in range(1, 6)}
    assert [clip.speaker for clip in read_clips(tmp_path)] == [clip.speaker for clip in clips]


def test_a_folder_above_decides_nothing(tmp_path: Path) -> None:
    """Only what lies below the folder that is named says what a recording is."""
    touch(tmp_path, "no_speech/voices/talk.wav", "no_speech/voices/03-01-01-01-01-01-01.wav")
    assert [clip.corpus for clip in read_clips(tmp_path / "no_speech" / "voices")] == ["ravdess"]


def test_what_is_no_recording_of_these_is_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "03-02-06-01-02-01-12.wav",  # sung
        "01-01-06-01-02-01-12.mp4",  # a video
        "03-01-09-01-02-01-12.wav",  # no such emotion
        "1001_DFA_XXX_XX.wav",
        "holiday.wav",
        "1001_DFA_ANG_XX.txt",
        "1001_DFA_ANG_XX.wav",
    )
    assert only(tmp_path).path.name == "1001_DFA_ANG_XX.wav"


def test_the_order_does_not_depend_on_the_folders(tmp_path: Path) -> None:
    names = ["03-01-01-01-01-01-02.wav", "1002_DFA_ANG_XX.wav", "03-01-01-01-01-01-01.wav", "1001_DFA_ANG_XX.wav"]
    touch(tmp_path / "flat", *names)
    touch(tmp_path / "deep", *(f"{9 - place}/{name}" for place, name in enumerate(names)))
    flat, deep = ([clip.path.name for clip in read_clips(tmp_path / each)] for each in ("flat", "deep"))
    assert flat == deep
    assert flat == [names[3], names[1], names[2], names[0]], "crema-d goes before ravdess"


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone: no such folder"):
        read_clips(tmp_path / "gone")
    touch(tmp_path, "holiday.wav")
    with pytest.raises(DataError, match="no recording named as in RAVDESS"):
        read_clips(tmp_path)


def test_a_corpus_that_a_recipe_wants(tmp_path: Path) -> None:
    touch(tmp_path, "1001_DFA_ANG_XX.wav", "03-01-01-01-01-01-01.wav")
    clips = read_clips(tmp_path)
    assert [clip.corpus for clip in of_corpora(clips, ["ravdess"], tmp_path)] == ["ravdess"]
    with pytest.raises(DataError, match=r"has no recordings of sounds, which the recipe's data\.corpora asks for"):
        of_corpora(clips, ["ravdess", "sounds"], tmp_path)


# What CREMA-D says of its actors


def test_actors(tmp_path: Path) -> None:
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1004_DFA_ANG_XX.wav", "AudioWAV/1090_DFA_ANG_XX.wav")
    (tmp_path / "VideoDemographics.csv").write_text(PEOPLE, encoding="utf-8-sig")
    groups = {clip.speaker: clip.groups for clip in read_clips(tmp_path)}
    assert groups["crema-d 1001"] == {"sex": "male", "age": "45-74", "race": "caucasian", "ethnicity": "not hispanic"}
    assert groups["crema-d 1004"] == {"sex": "male", "age": "20-29", "race": "asian", "ethnicity": "not hispanic"}
    assert groups["crema-d 1090"] == {}, "the table does not tell"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ActorID,Age\n1001,51\n",
        b"ActorID,Age,Sex,Race,Ethnicity\n1001,old,Male,Caucasian,Not Hispanic\n",
        b"ActorID,Age,Sex,Race,Ethnicity\n1001,51\n",
        b"\xff\xfe\x00",
    ],
    ids=["empty", "columns", "age", "row", "binary"],
)
def test_a_broken_table_of_actors(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path, "1001_DFA_ANG_XX.wav")
    (tmp_path / "VideoDemographics.csv").write_bytes(content)
    if not content:
        assert only(tmp_path).groups == {}
        return
    with pytest.raises(DataError, match=r"VideoDemographics.csv: not CREMA-D's table of actors") as caught:
        read_clips(tmp_path)
    assert "\n" not in str(caught.value)


# What listeners heard


def test_votes(tmp_path: Path) -> None:
    assert read_voice_votes(tmp_path) is None
    votes = read_voice_votes(write_corpora(tmp_path, takes=1, sounds=0, people=(1,)))
    assert votes is not None
    assert votes["1001_DFA_ANG_XX"] == ("neutral",)
    assert votes["1001_DFA_SAD_XX"] == ("neutral", "sad")


def test_the_votes_of_the_one_file_with_another_intensity() -> None:
    assert vote_key("1040_ITH_SAD_X") == vote_key("1040_ITH_SAD_XX") == "1040_ITH_SAD_XX"
    assert vote_key("1001_IEO_ANG_HI") == "1001_IEO_ANG_HI"


@pytest.mark.parametrize("row", ["1001_DFA_ANG_XX,Q", "1001_DFA_ANG_XX", "1001_DFA_ANG_XX,"])
def test_a_broken_table_of_votes(tmp_path: Path, row: str) -> None:
    (tmp_path / "summaryTable.csv").write_text(f"FileName,VoiceVote\n{row}\n")
    with pytest.raises(DataError, match=r"summaryTable.csv: not CREMA-D's table of votes"):
        read_voice_votes(tmp_path)
