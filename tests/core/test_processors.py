"""The table of shipped processors: what is refused, in which words, and the halo that each needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sgnus.core.processors import (
    DTYPES,
    PROCESSORS,
    check_halo,
    check_parameters,
    chunk_ms_max,
    parameters_text,
    processor_named,
    required_halo,
)
from sgnus.messages.errors import UserFault


def test_defaults_are_filled_in_so_that_the_job_pins_them() -> None:
    assert check_parameters("non-local-means", {"h": "20"}, "uint8", (64, 64, 3)) == {
        "patch": "2",
        "search": "9",
        "h": "20.0",
    }
    assert check_parameters("invert", {}, "float32", (2, 3, 4, 5)) == {}


@pytest.mark.parametrize(
    ("name", "given", "dtype", "shape", "sentence"),
    [
        ("blur", {}, "uint8", (8, 8), "unknown processor 'blur': the ones that ship are invert, sobel,"),
        ("sobel", {"k": 1}, "uint8", (8, 8), "processor sobel has no parameter 'k': it takes none"),
        ("gaussian-blur", {"s": 1}, "uint8", (8, 8), "gaussian-blur has no parameter 's': it takes sigma"),
        ("gaussian-blur", {"sigma": "big"}, "uint8", (8, 8), "of gaussian-blur must be a number, not 'big'"),
        ("gaussian-blur", {"sigma": 0}, "uint8", (8, 8), "must lie between 0.1 and 10.0, not be 0"),
        ("gaussian-blur", {"sigma": "nan"}, "uint8", (8, 8), "must lie between 0.1 and 10.0, not be 'nan'"),
        ("gaussian-blur", {"sigma": "1e999"}, "uint8", (8, 8), "must lie between"),
        ("non-local-means", {"search": 2.5}, "uint8", (8, 8), "non-local-means must be a whole number"),
        ("non-local-means", {"search": "inf"}, "uint8", (8, 8), "non-local-means must be a whole number"),
        ("non-local-means", {}, "uint16", (8, 8), "takes uint8, but the array is uint16"),
        ("sobel", {}, "int32", (8, 8), "takes uint8, uint16, float32, float64, but the array is int32"),
        ("sobel", {}, "uint8", (8,), "takes images (H, W) or (H, W, C), C up to 4"),
        ("sobel", {}, "uint8", (8, 8, 8), "takes images (H, W) or (H, W, C), C up to 4"),
        ("sha256", {}, "uint8", (), "an array has 1 to 8 axes"),
    ],
)  # fmt: skip
def test_what_a_processor_does_not_take_is_refused_in_one_sentence(
    name: str, given: dict[str, str | int | float], dtype: str, shape: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(UserFault) as caught:
        check_parameters(name, given, dtype, shape)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "axes", "halo"),
    [
        ("invert", {}, 3, (0, 0, 0)),
        ("sobel", {}, 3, (1, 1, 0)),
        ("gaussian-blur", {"sigma": "1"}, 2, (3, 3)),
        ("gaussian-blur", {"sigma": "1.1"}, 2, (4, 4)),
        ("gaussian-blur", {"sigma": "10"}, 2, (30, 30)),
        ("non-local-means", {}, 2, (11, 11)),
        ("non-local-means", {"search": 15, "patch": 3}, 3, (18, 18, 0)),
        ("mandelbrot", {}, 2, (0, 0)),
        ("sha256", {}, 1, (0,)),
    ],
)
def test_the_halo_follows_from_the_parameters(
    name: str, given: dict[str, str | int | float], axes: int, halo: tuple[int, ...]
) -> None:
    assert required_halo(name, given, axes) == halo


def test_a_halo_that_does_not_fit_is_refused() -> None:
    check_halo("sobel", {}, (2, 1, 0))
    with pytest.raises(UserFault, match=r"halo \(0, 1\) is too small: sobel needs \(1, 1\)"):
        check_halo("sobel", {}, (0, 1))
    with pytest.raises(UserFault, match="the last axis holds channels"):
        check_halo("sobel", {}, (1, 1, 1))
    with pytest.raises(UserFault, match="sha256 takes no halo"):
        check_halo("sha256", {}, (1,))


def test_parameters_are_written_sorted() -> None:
    assert parameters_text({"b": 2, "a": "x=y"}) == b"a=x=y\nb=2\n"
    assert parameters_text({}) == b""


def test_every_processor_describes_itself() -> None:
    assert list(PROCESSORS) == ["invert", "sobel", "gaussian-blur", "non-local-means", "mandelbrot", "sha256"]
    for name, processor in PROCESSORS.items():
        assert processor_named(name) is processor
        assert processor.version == 1
        assert processor.summary
        for parameter in processor.parameters:
            assert parameter.minimum <= parameter.default <= parameter.maximum
            assert parameter.description
    assert PROCESSORS["sha256"].output_rule == "32 bytes a chunk"
    assert PROCESSORS["invert"].output_rule == "same shape and dtype"


def test_the_protocol_document_lists_every_processor_as_the_code_has_it() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "protocol" / "processor.md").read_text(
        encoding="utf-8"
    )
    rows = {row.split("`")[1]: row for row in text.splitlines() if row.startswith("| `")}
    assert sorted(rows) == sorted(PROCESSORS)
    for name, processor in PROCESSORS.items():
        taken = "all" if set(processor.dtypes) == set(DTYPES) else ", ".join(processor.dtypes)
        assert f"| {taken} |" in rows[name]
        for parameter in processor.parameters:
            assert f"`{parameter.name}` ({parameter.default:g}" in rows[name]
    for dtype, (code, _) in DTYPES.items():
        assert f"| {code} {dtype} |" in text


@pytest.mark.parametrize(
    ("deadline_ms", "chunk_ms"),
    [(100, 2_000), (667, 2_001), (2_000, 6_000), (20_000, 60_000), (60_000, 60_000), (86_400_000, 60_000)],
)
def test_a_chunk_may_take_three_deadlines_within_the_bounds_of_the_profile(
    deadline_ms: int, chunk_ms: int
) -> None:
    assert chunk_ms_max(deadline_ms) == chunk_ms
