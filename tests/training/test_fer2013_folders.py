"""FER-2013 as folders of images, read right, and refused in one line that names the folder or file that is wrong."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.conftest import pattern_faces, refused
from training.datasets.fer2013 import LABELS, SPLITS, read_faces


def _write_folders(root: Path, splits: dict[str, int], names: Iterable[str] = LABELS) -> None:
    """PNGs of pattern faces, `splits[split]` of each class."""
    for seed, (split, count) in enumerate(splits.items()):
        images, labels = pattern_faces(count, seed)
        for label, name in enumerate(names):
            (root / split / name).mkdir(parents=True)
            for number, image in enumerate(images[labels == label]):
                assert cv2.imwrite(str(root / split / name / f"{number:03}.png"), image)


@pytest.mark.parametrize(
    ("splits", "names"),
    [
        (("train", "validation", "test"), LABELS),
        (("Training", "PublicTest", "PrivateTest"), [f"{number}_{label}" for number, label in enumerate(LABELS)]),
        (("TRAIN", "val", "Test"), ["Anger", "Disgusted", "Fearful", "Happiness", "Sadness", "SURPRISED", "Neutral"]),
        (("train", "valid", "test"), list("0123456")),
    ],
)
def test_folders_of_images(tmp_path: Path, splits: tuple[str, str, str], names: list[str]) -> None:
    _write_folders(tmp_path, dict(zip(splits, (3, 2, 1), strict=True)), names)
    (tmp_path / splits[0] / ".ipynb_checkpoints").mkdir()
    (tmp_path / splits[0] / names[0] / "Thumbs.db").write_bytes(b"not an image")
    sets = read_faces(tmp_path)
    for seed, (name, count) in enumerate(zip(SPLITS.values(), (3, 2, 1), strict=True)):
        images, labels = pattern_faces(count, seed)
        assert len(sets[name]) == 7 * count
        for label in range(7):
            np.testing.assert_array_equal(sets[name].images[sets[name].labels == label], images[labels == label])


def test_images_of_other_sizes_and_colours(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 2, "test": 1})
    large = np.zeros((96, 192, 3), np.uint8)
    large[:, 96:] = 200
    for name, image in {"colour.jpg": large, "alpha.png": np.dstack([large, large[..., 0]])}.items():
        assert cv2.imwrite(str(tmp_path / "test" / "sad" / name), image)
    assert cv2.imwrite(str(tmp_path / "test" / "sad" / "deep.png"), large[..., 0].astype(np.uint16) * 256)
    faces = read_faces(tmp_path)["test"]
    sad = faces.images[faces.labels == LABELS.index("sad")]
    assert sad.shape == (1 + 3, 48, 48)
    for image in sad[1:]:  # behind 000.png
        assert np.abs(image[:, :23].astype(int)).max() <= 3
        assert np.abs(image[:, 25:].astype(int) - 200).max() <= 3


def test_a_tenth_of_each_class_is_held_out_where_there_is_no_validation(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 20, "test": 1})
    first, again = read_faces(tmp_path), read_faces(tmp_path)
    np.testing.assert_array_equal(first["validation"].images, again["validation"].images)
    assert np.bincount(first["train"].labels).tolist() == [18] * 7
    assert np.bincount(first["validation"].labels).tolist() == [2] * 7
    keys = {name: {image.tobytes() for image in faces.images} for name, faces in first.items()}
    assert len(keys["train"]) == 18 * 7
    assert not keys["train"] & keys["validation"]
    assert keys["train"] | keys["validation"] == {image.tobytes() for image in pattern_faces(20, 0)[0]}


def _png_of_absurd_size() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 900_000, 900_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", _png_of_absurd_size()])
def test_an_unreadable_image_is_named(tmp_path: Path, content: bytes) -> None:
    _write_folders(tmp_path, {"train": 1, "test": 1})
    path = tmp_path / "train" / "fear" / "broken.png"
    path.write_bytes(content)
    refused(tmp_path, "not a readable image; remove it or fetch it again", path)


def test_a_folder_where_an_image_is_due(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 1, "test": 1})
    (tmp_path / "train" / "fear" / "more.png").mkdir()
    refused(tmp_path, "cannot be read: Is a directory", tmp_path / "train" / "fear" / "more.png")


def test_broken_folders(tmp_path: Path) -> None:
    _write_folders(tmp_path, {"train": 2, "test": 1})
    (tmp_path / "train" / "calm").mkdir()
    refused(tmp_path, "unknown class 'calm'; the classes are angry, disgust", tmp_path / "train" / "calm")
    (tmp_path / "train" / "calm").rmdir()
    for path in (tmp_path / "test" / "happy").iterdir():
        path.unlink()
    refused(tmp_path, "holds no image", tmp_path / "test" / "happy")
    (tmp_path / "test" / "happy").rmdir()
    assert len(read_faces(tmp_path)["test"]) == 6
    for path in (tmp_path / "train" / "sad").iterdir():
        path.unlink()
    (tmp_path / "train" / "sad").rmdir()
    refused(tmp_path, "no training face of the class 'sad'")
    (tmp_path / "test").rename(tmp_path / "testing")
    refused(tmp_path, "the split 'test' is empty")
