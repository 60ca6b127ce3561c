"""Inputs and outputs: every format there and back, and every refusal."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from sgnus.frontends.files import outputs
from sgnus.frontends.files.formats import check_fits
from sgnus.frontends.files.inputs import open_input
from sgnus.frontends.files.outputs import OutputFile
from sgnus.messages.errors import UserFault, WorldFault
from tests.frontends.pictures import PIXELS, png, truncated


def written(path: Path, array: np.ndarray) -> Path:
    output = OutputFile(path, array.shape, array.dtype.name)
    output.array[...] = array
    output.finish()
    return path


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("a.png", PIXELS),
        ("a.png", PIXELS[:, :, 0]),
        ("a.png", np.dstack([PIXELS, PIXELS[:, :, 0]])),
        ("a.png", PIXELS[:, :, 0].astype(np.uint16) * 257),
        ("a.tif", PIXELS),
        ("a.tiff", PIXELS[:, :, 0].astype(np.float32)),
        ("a.tif", PIXELS.reshape(3, 60, 80).astype(np.int16)),
        ("a.npy", PIXELS.astype(np.float64).reshape(2, 30, 80, 3)),
    ],
    ids=["rgb png", "grey png", "rgba png", "16-bit png", "rgb tiff", "float tiff", "volume tiff", "npy"],
)
def test_what_is_written_reads_back_the_same(tmp_path: Path, name: str, array: np.ndarray) -> None:
    back = open_input(written(tmp_path / name, array)).array
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_raw_bytes_read_with_shape_and_dtype(tmp_path: Path) -> None:
    path = written(tmp_path / "a.raw", PIXELS)
    assert path.read_bytes() == PIXELS.tobytes()
    assert np.array_equal(open_input(path, shape=(60, 80, 3), dtype="uint8").array, PIXELS)


def test_jpeg_is_written_and_read(tmp_path: Path) -> None:
    smooth = np.repeat(np.arange(0, 240, 3, dtype=np.uint8)[None, :], 60, axis=0)
    back = open_input(written(tmp_path / "a.jpg", smooth))
    assert back.format == "jpeg"
    assert np.abs(back.array.astype(int) - smooth).max() < 8


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.raw"])
def test_what_can_be_mapped_is_not_loaded(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, PIXELS)
    options = {"shape": PIXELS.shape, "dtype": "uint8"} if name == "a.raw" else {}
    assert isinstance(open_input(path, **options).array, np.memmap)


def test_a_compressed_tiff_is_decoded(tmp_path: Path) -> None:
    for compression in ("tiff_deflate", "tiff_lzw"):
        Image.fromarray(PIXELS).save(tmp_path / "a.tif", compression=compression)
        assert np.array_equal(open_input(tmp_path / "a.tif").array, PIXELS)


def test_palettes_and_turned_pictures_are_noted(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).quantize(16).save(tmp_path / "p.png")
    assert "mode P; it is taken as RGB" in open_input(tmp_path / "p.png").notes[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(PIXELS).save(tmp_path / "t.jpg", exif=exif)
    assert "EXIF orientation 6" in open_input(tmp_path / "t.jpg").notes[0]


def bad_inputs(folder: Path) -> Iterator[tuple[Path, str]]:
    """A path and the sentence that it must get."""
    (folder / "folder").mkdir()
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("no picture at all")
    (folder / "bytes.dat").write_bytes(bytes(100))
    truncated(png(folder / "half.png"))
    Image.fromarray(PIXELS).save(folder / "half.jpg")
    truncated(folder / "half.jpg")
    tifffile.imwrite(folder / "half.tif", PIXELS)
    truncated(folder / "half.tif", 0.9)
    tifffile.imwrite(folder / "half2.tif", PIXELS, compression="zlib")
    truncated(folder / "half2.tif", 0.9)
    np.save(folder / "half.npy", PIXELS)
    truncated(folder / "half.npy")
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(folder / "none.npy", np.empty((0, 3)))
    yield folder / "folder", "is a folder; name a file"
    yield folder / "absent.png", "There is no file"
    yield folder / "empty.png", r"is empty \(0 bytes\)"
    yield folder / "text.png", "is no PNG file, whatever its name says"
    yield folder / "bytes.dat", "if it is raw bytes, say --shape and --dtype"
    yield folder / "half.png", "is damaged or truncated"
    yield folder / "half.jpg", "is damaged or truncated"
    yield folder / "half.tif", "its pixels reach to byte"
    yield folder / "half2.tif", "its pixels reach to byte"
    yield folder / "half.npy", "damaged or truncated .npy"
    yield folder / "objects.npy", "holds objects"
    yield folder / "none.npy", "is empty: it has shape 0x3"


def test_every_bad_input_gets_its_sentence(tmp_path: Path) -> None:
    for path, sentence in bad_inputs(tmp_path):
        with pytest.raises(UserFault, match=sentence):
            open_input(path)


@pytest.mark.parametrize(
    ("shape", "dtype", "sentence"),
    [
        ((10, 11), "uint8", "has 100 bytes, but shape 10x11 of uint8 is 110 bytes"),
        ((10, 10), "uint16", "is 200 bytes; correct --shape or --dtype"),
        ((-10, -10), "uint8", "must be 1 or more"),
        ((0, 10), "uint8", "must be 1 or more"),
        ((10, 10), "uint9", "no dtype 'uint9'"),
        ((10, 10), "O", "no number type"),
        ((10**30, 10**30), "uint8", "has 100 bytes"),
    ],
)
def test_raw_bytes_that_do_not_match_are_refused(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, sentence: str
) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(100))
    with pytest.raises(UserFault, match=sentence):
        open_input(tmp_path / "a.raw", shape=shape, dtype=dtype)


def test_a_shape_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="has shape 60x80x3, not 60x80"):
        open_input(png(tmp_path / "a.png"), shape=(60, 80))
    with pytest.raises(UserFault, match="has dtype uint8, not float32"):
        open_input(tmp_path / "a.png", dtype="float32")


def test_a_picture_that_claims_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(
        UserFault, match=r"more than the limit of 0\.0; if you trust it, say --pixels-max 4800"
    ):
        open_input(truncated(png(tmp_path / "a.png")), pixels_max=4799)


@pytest.mark.parametrize(
    ("kind", "shape", "dtype", "sentence"),
    [
        ("png", (8, 8), "float64", "PNG holds uint8, uint16 and bool. Name the output .tif or .npy"),
        ("png", (8, 8, 3), "uint16", "channels in uint8 only"),
        ("png", (8, 8, 5), "uint8", "height x width"),
        ("png", (8,), "uint8", "height x width"),
        ("jpeg", (8, 8), "uint16", "JPEG holds uint8 alone"),
        ("jpeg", (8, 8, 4), "uint8", "with 3 channels at the end or none"),
        ("jpeg", (8, 70000), "uint8", "sides end at 65535"),
        ("tiff", (8, 8), "complex256", "TIFF does not hold complex256"),
    ],
)
def test_results_without_a_place_in_the_format_are_refused(
    kind: str, shape: tuple[int, ...], dtype: str, sentence: str
) -> None:
    with pytest.raises(UserFault, match=sentence):
        check_fits(Path("out"), kind, shape, dtype)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.npy", "a.raw"])
def test_a_part_is_taken_up_where_it_was_kept_and_the_old_file_stays_until_the_end(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_text("the old one")
    first = OutputFile(path, PIXELS.shape, "uint8")
    first.array[:30] = PIXELS[:30]
    first.cursor, first.done = 17, 3
    first.keep("job-a")
    first.close()
    second = OutputFile(path, PIXELS.shape, "uint8", resume="job-a")
    assert (second.cursor, second.done) == (17, 3)
    second.array[30:] = PIXELS[30:]
    assert path.read_text() == "the old one"
    second.finish()
    options = {"shape": PIXELS.shape, "dtype": "uint8"} if name == "a.raw" else {}
    assert np.array_equal(open_input(path, **options).array, PIXELS)


def test_a_part_of_another_job_or_a_damaged_one_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    first = OutputFile(path, PIXELS.shape, "uint8")
    first.cursor = 17
    first.keep("job-a")
    first.close()
    second = OutputFile(path, PIXELS.shape, "uint8", resume="job-b")
    assert second.cursor == 0
    second.cursor = 17
    second.keep("job-a")
    second.close()
    truncated(second.part)
    assert OutputFile(path, PIXELS.shape, "uint8", resume="job-a").cursor == 0


def test_two_that_write_to_one_place_never_mix_the_second_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    first = OutputFile(path, PIXELS.shape, "uint8")
    first.array[:] = PIXELS
    for resume in ("", "job-a"):
        with pytest.raises(UserFault, match="Another command is writing"):
            OutputFile(path, PIXELS.shape, "uint8", resume=resume)
    first.finish()
    assert np.array_equal(np.load(path), PIXELS)
    third = OutputFile(path, PIXELS.shape, "uint8")
    third.array[:] = 0
    first.discard()  # Late: the part is another's now.
    third.finish()
    third.discard()
    assert not np.load(path).any()
    assert [one.name for one in tmp_path.iterdir()] == ["a.npy"]


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file longer than that: what the kernel answers stands for a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_known_before_the_work_is_done(tmp_path: Path) -> None:
    for name in ("a.npy", "a.tif", "a.raw", "a.png"):
        with disk_of(64 * 1024), pytest.raises(UserFault, match=r"no room for .*: it takes 1\.0 MB"):
            OutputFile(tmp_path / name, (1000, 1000), "uint8")
    assert list(tmp_path.iterdir()) == []


def test_what_a_small_output_takes_and_what_is_free_are_said_in_units_that_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs.shutil, "disk_usage", lambda _: SimpleNamespace(free=512))
    sentence = r"it takes 2\.5 kB, and 512 bytes are free; free some"
    with disk_of(1024), pytest.raises(UserFault, match=sentence):
        OutputFile(tmp_path / "a.raw", (50, 50), "uint8")


def test_the_space_of_a_part_is_taken_at_once(tmp_path: Path) -> None:
    for name in ("a.npy", "a.tif", "a.raw", "a.png"):
        part = OutputFile(tmp_path / name, (1000, 1000), "uint8").part
        assert part.stat().st_blocks * 512 >= 1_000_000


def test_a_disk_that_fills_at_the_end_keeps_the_part(tmp_path: Path) -> None:
    output = OutputFile(tmp_path / "a.png", (300, 300), "uint8")
    output.array[...] = np.random.default_rng(1).integers(0, 256, (300, 300))
    output.keep("job-a")
    with disk_of(32 * 1024), pytest.raises(WorldFault, match="The disk is full while"):
        output.finish()
    assert output.part.exists()
    output.finish()
    assert (tmp_path / "a.png").exists()
