"""Pictures as they come: every depth and channel count, rotated, transparent, damaged, or no pictures at all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import SourceError
from edge.observation import Image
from edge.sources.images import ImageSource, natural_key, read_image


def encode(suffix: str, image: npt.NDArray[np.integer | np.floating]) -> bytes:
    done, data = cv2.imencode(suffix, image)
    assert done
    return bytes(data.tobytes())


def noise(*shape: int) -> Image:
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def with_exif_orientation(jpeg: bytes, orientation: int, extra: bytes = b"") -> bytes:
    """Put an Exif block with only the orientation tag (and anything else, such as a thumbnail) behind the SOI."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + b"\x01\x12\x00\x03\x00\x00\x00\x01"
    tiff += bytes([0, orientation]) + b"\x00\x00" + b"\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff + extra
    return jpeg[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + jpeg[2:]


COLOUR = noise(20, 30, 3)
GREY = noise(20, 30)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encode(".png", COLOUR), COLOUR, id="colour"),
        pytest.param(encode(".png", GREY), GREY, id="grey"),
        pytest.param(encode(".png", COLOUR[:1, :1]), COLOUR[:1, :1], id="1x1"),
        pytest.param(encode(".bmp", COLOUR), COLOUR, id="bmp"),
        pytest.param(encode(".tif", COLOUR), COLOUR, id="tiff"),
        pytest.param(encode(".png", GREY.astype(np.uint16) * 257), GREY, id="16-bit grey"),
        pytest.param(encode(".png", COLOUR.astype(np.uint16) * 257), COLOUR, id="16-bit colour"),
        pytest.param(encode(".tif", COLOUR.astype(np.uint16) * 257), COLOUR, id="16-bit tiff"),
        pytest.param(encode(".png", np.full((2, 2), 300, np.uint16)), np.full((2, 2), 1, np.uint8), id="16-bit dark"),
    ],
)
def test_pixels_are_exact(tmp_path: Path, data: bytes, expected: Image) -> None:
    path = tmp_path / "wrong suffix.jpg"  # the content decides, not the name
    path.write_bytes(data)
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_transparency_is_laid_on_white(tmp_path: Path, depth: type[np.unsignedinteger]) -> None:
    unit = np.iinfo(depth).max // 255
    layered = np.zeros((1, 3, 4), depth)
    layered[0, :, :3] = 100 * unit
    layered[0, :, 3] = np.array([255, 0, 51]) * unit
    path = tmp_path / "cut-out.png"
    path.write_bytes(encode(".png", layered))
    # Opaque: as it is. Transparent: white. A fifth opaque: 100 / 5 + 255 * 4 / 5 = 224.
    assert read_image(path)[0, :, 0].tolist() == [100, 255, 224]


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "opaque.png"
    path.write_bytes(encode(".png", np.dstack([COLOUR, np.full((20, 30), 255, np.uint8)])))
    np.testing.assert_array_equal(read_image(path), COLOUR)


@pytest.mark.parametrize(
    ("orientation", "bright"),
    [(1, np.s_[:, 32:]), (3, np.s_[:, :32]), (6, np.s_[32:, :]), (8, np.s_[:32, :])],
)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, bright: tuple[slice, slice]) -> None:
    stored = np.zeros((32, 64), np.uint8)
    stored[:, 32:] = 200  # the right half is bright
    path = tmp_path / "phone.jpg"
    path.write_bytes(with_exif_orientation(encode(".jpg", stored), orientation))
    upright = read_image(path)
    assert upright.shape == ((32, 64) if orientation in (1, 3) else (64, 32))
    assert upright[bright].min() > 150
    assert upright.astype(int).sum() < 1.2 * upright[bright].astype(int).sum()  # the rest is dark


def test_non_ascii_path_and_bytes_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "Übung 顔.jpg"
    path.write_bytes(encode(".jpg", COLOUR) + b"appended by some camera")
    assert read_image(path).shape == (20, 30, 3)


JPEG = encode(".jpg", noise(200, 200, 3))
PNG = encode(".png", noise(200, 200, 3))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"not a picture at all\n" * 50, "is not a picture", id="text"),
        pytest.param(JPEG[: len(JPEG) // 2], "is cut short", id="jpeg cut in its scan"),
        pytest.param(JPEG[:-2], "is cut short", id="jpeg without its end marker"),
        pytest.param(JPEG[:20], "is not a picture", id="jpeg cut in its header"),
        pytest.param(
            with_exif_orientation(JPEG, 1, extra=encode(".jpg", GREY))[: len(JPEG) // 2],
            "is cut short",
            id="cut jpeg whose thumbnail is whole",
        ),
        pytest.param(PNG[: len(PNG) // 2], "is cut short", id="png cut"),
        pytest.param(encode(".webp", COLOUR)[:-40], "is not a picture", id="webp cut"),
        pytest.param(encode(".tif", COLOUR.astype(np.float32)), "float32 pixels", id="float tiff"),
    ],
)
def test_damaged_files_name_themselves_in_one_line(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=problem) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.png.*No such file"):
        read_image(tmp_path / "none.png")


def test_natural_order() -> None:
    names = ["b.png", "frame10.png", "Frame9.png", "frame9b.png", "a2b10.png", "a2b9.png", "7.png"]
    expected = ["7.png", "a2b9.png", "a2b10.png", "b.png", "Frame9.png", "frame9b.png", "frame10.png"]
    assert [path.name for path in sorted(map(Path, names), key=natural_key)] == expected


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, int], Path]:
    def write_plain(name: str, value: int) -> Path:
        path = tmp_path / name
        path.write_bytes(encode(".png", np.full((4, 4), value, np.uint8)))
        return path

    return write_plain


def test_folder_in_order_passes_over_bad_pictures(
    tmp_path: Path, write: Callable[[str, int], Path], caplog: pytest.LogCaptureFixture
) -> None:
    paths = [write("f2.png", 2), write("f10.PNG", 10)]
    (tmp_path / "f3.jpg").write_bytes(JPEG[:500])
    (tmp_path / "notes.txt").write_text("not looked at")
    (tmp_path / "sub.png").mkdir()
    with caplog.at_level(logging.WARNING), ImageSource(tmp_path, fps=5) as source:
        frames = list(source)
        assert source.read() is None
    assert [int(frame.image[0, 0]) for frame in frames] == [2, 10]
    assert [frame.source for frame in frames] == [str(path) for path in paths]
    assert [(frame.index, frame.monotonic_time) for frame in frames] == [(0, 0.0), (1, 0.2)]
    assert source.skipped == 1
    assert not source.live
    assert "f3.jpg" in caplog.text
    assert len(caplog.records) == 1


def test_folder_without_one_good_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    with ImageSource(tmp_path) as source, pytest.raises(SourceError, match="none of the 2 pictures"):
        source.read()


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(SourceError, match="holds no pictures"):
        ImageSource(tmp_path)


def test_single_bad_picture_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"")
    with ImageSource(path) as source, pytest.raises(SourceError, match=r"a\.png.*empty"):
        source.read()


def test_closed_source_is_at_its_end(write: Callable[[str, int], Path]) -> None:
    source = ImageSource(write("a.png", 1))
    source.close()
    source.close()
    assert source.read() is None
