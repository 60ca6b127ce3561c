"""Wrong use of the command line: one clear sentence each, exit status 2, nothing submitted, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgnus.frontends.cli import main
from sgnus.frontends.sdk.home import Home
from sgnus.runtime.network_file import invitation, new_network
from tests.frontends.fake_node import FakeNode
from tests.frontends.pictures import PIXELS, png
from tests.frontends.test_files import bad_inputs

Captured = pytest.CaptureFixture[str]

WRONG_OPTIONS = {
    "tile of nothing": (["--tile", "0x32"], "The tile 0x32 must be 1 or more"),
    "negative tile": (["--tile", "-4x32"], "must be 1 or more"),
    "tile larger than the picture": (["--tile", "61x32"], "is larger than the input of shape 60x80x3"),
    "tile that is no size": (["--tile", "big"], "'big' is no size; write whole numbers such as 256x256"),
    "halo larger than the tile": (
        ["--tile", "16x16", "--halo", "17"],
        "The halo 17x17 is larger than the tile",
    ),
    "negative halo": (["--halo", "-1"], "must be 0 or more"),
    "unknown edge": (["--edge", "mirror"], "There is no edge mode 'mirror'; take one of reflect"),
    "parameter without a value": (["--param", "sigma"], "'sigma' is no parameter; write name=value"),
    "unknown processor": (["--processor", "sobell"], "There is no processor 'sobell'; there are invert"),
    "module that is not there": (
        ["--processor", "wasm:absent.wasm"],
        "absent.wasm cannot be read: No such file",
    ),
    "module that is none": (["--processor", f"wasm:{__file__}"], "is no WebAssembly module"),
    "too many chunks per sub-block": (
        ["--chunks-per-sub-block", "65"],
        "65 chunks per sub-block are not within 1..64",
    ),
    "shape that contradicts": (["--shape", "3x3"], "has shape 60x80x3, not 3x3; leave --shape out"),
    "unknown verification": (["--verify", "maybe"], "'maybe' is not one of"),
    "samples of nothing": (
        ["--verify", "none", "--samples", "10%"],
        "With --verify none nothing is run again",
    ),
    "samples of all": (
        ["--verify", "full", "--samples", "0.5"],
        "With --verify full all chunks are run again",
    ),
    "samples that are no share": (["--samples", "10"], "'10' is no share of the whole; write 10% or 0.1"),
    "samples that are none": (["--samples", "0%"], "'0%' is no share of the whole"),
    "samples that are no number": (["--samples", "some"], "'some' is no share; write 10% or 0.1"),
    "too many verifiers": (["--verifiers", "12"], "12 is not in the range 1<=x<=11"),
    "too few members": (["--min-members", "1"], "1 is not in the range 2<=x<=11"),
    "fewer members than verifiers": (
        ["--verifiers", "3", "--min-members", "2"],
        "3 verifiers need a room of as many members: take --min-members 3",
    ),
    "verification of an app's work": (
        ["--processor", "app:thumb", "--verify", "full"],
        "What an app processes cannot be run again by others",
    ),
    "too many pixels": (["--pixels-max", "100"], "if you trust it, say --pixels-max 4800"),
}


@pytest.fixture(autouse=True)
def _home(node: FakeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SGNUS_HOME", str(node.home))


def refused(capsys: Captured, *arguments: object) -> str:
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(("options", "sentence"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS.keys())
def test_wrong_options_of_submit(
    options: list[str], sentence: str, node: FakeNode, capsys: Captured, tmp_path: Path
) -> None:
    source = png(tmp_path / "a.png")
    said = refused(capsys, "submit", source, "--processor", "invert", *options, "-o", tmp_path / "out.png")
    assert sentence in said
    assert node.service.jobs == {}
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "home"]


def test_broken_inputs_of_submit(node: FakeNode, capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for path, _ in bad_inputs(tmp_path / "in"):
        said = refused(capsys, "submit", path, "--processor", "invert", "-o", tmp_path / "out.png")
        assert said.startswith(f"sgnus: {path}") or "There is no file" in said
        assert said.count("\n") == 1
    assert node.service.jobs == {}


def test_raw_bytes_of_another_size(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(100))
    given = ["submit", tmp_path / "a.raw", "--processor", "invert", "-o", tmp_path / "b.npy"]
    assert "say --shape and --dtype" in refused(capsys, *given)
    assert "has 100 bytes, but shape 9x9 of uint8 is 81 bytes" in refused(
        capsys, *given, "--shape", "9x9", "--dtype", "uint8"
    )


def outputs(folder: Path) -> dict[str, tuple[Path | None, str]]:
    """An output that cannot be, and what is said about it."""
    return {
        "the input itself": (folder / "a.png", "is the input itself, which is never overwritten"),
        "a folder": (folder / "folder.png", "is a folder; name a file in it"),
        "in no folder": (folder / "none" / "b.png", "There is no folder"),
        "no known ending": (folder / "b.webp", "no ending that says its format; take one of .png"),
        "in a file": (folder / "a.png" / "b.png", "There is no folder"),
        "nowhere": (None, "Say where the result goes with -o"),
    }


def test_outputs_that_cannot_be(node: FakeNode, capsys: Captured, tmp_path: Path) -> None:
    source = png(tmp_path / "a.png")
    before = source.read_bytes()
    (tmp_path / "folder.png").mkdir()
    for output, sentence in outputs(tmp_path).values():
        place = [] if output is None else ["-o", output]
        assert sentence in refused(capsys, "submit", source, "--processor", "invert", *place)
    assert source.read_bytes() == before
    assert node.service.jobs == {}


def test_an_output_on_a_device_without_files(capsys: Captured, tmp_path: Path) -> None:
    said = refused(capsys, "submit", png(tmp_path / "a.png"), "--processor", "invert", "-o", "/proc/b.png")
    assert "/proc/b.png cannot be written" in said


def test_floats_into_a_png_are_refused_before_the_job_is_submitted(
    node: FakeNode, capsys: Captured, tmp_path: Path
) -> None:
    np.save(tmp_path / "a.npy", PIXELS.astype(np.float64))
    said = refused(capsys, "submit", tmp_path / "a.npy", "--processor", "wasm", "-o", tmp_path / "b.png")
    assert "dtype float64, which b.png cannot hold" in said
    assert "Name the output .tif or .npy." in said
    assert node.service.jobs == {}


@pytest.mark.parametrize("command", ["show", "cancel", "story"])
def test_jobs_that_are_not_there(command: str, capsys: Captured) -> None:
    assert "No job begins with 'bafyreiabc'; list those that there are" in refused(
        capsys, "job", command, "bafyreiabc"
    )
    assert "There is no job bafyrei" in refused(capsys, "job", command, "bafyrei" + "a" * 52)


def test_results_of_a_job_that_is_not_there(capsys: Captured, tmp_path: Path) -> None:
    assert "No job begins with" in refused(capsys, "job", "results", "nope", "-o", tmp_path / "b.png")


def test_invitations_and_networks_that_cannot_be(capsys: Captured, tmp_path: Path) -> None:
    home = ["--home", tmp_path / "new"]
    line = invitation(new_network("lab"))
    assert "This is no invitation" in refused(capsys, "network", "join", "hello", *home)
    assert "The invitation is damaged" in refused(capsys, "network", "join", line[:-5], *home)
    assert "bootstrap address 'nowhere'" in refused(
        capsys, "network", "create", "x", "--bootstrap", "nowhere", *home
    )
    assert "needs a name" in refused(capsys, "network", "create", "", *home)
    assert "choose another name" in refused(capsys, "network", "create", "private", *home)
    assert main(["network", "create", "one", "--home", str(tmp_path / "new")]) == 0
    assert "has a network already ('one')" in refused(capsys, "network", "create", "two", *home)
    assert "is in the network 'one'" in refused(capsys, "network", "join", line, *home)


def test_a_damaged_network_file(capsys: Captured, node: FakeNode) -> None:
    (node.home / "network.json").write_text("{")
    assert "network.json is damaged" in refused(capsys, "network", "show")


@pytest.mark.parametrize(
    "option", [["--port", "70000"], ["--peer-port", "-1"], ["--workers", "-1"], ["--port", "x"]]
)
def test_numbers_of_a_node_that_cannot_be(option: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert option[1] in refused(capsys, "node", "start", "--home", tmp_path / "new", *option)


def test_a_home_that_cannot_be_written(capsys: Captured, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in (["node", "start"], ["node", "run"], ["network", "create", "lab"]):
        said = refused(capsys, *command, "--home", tmp_path / "file")
        assert "cannot be written" in said
        assert "choose another with --home or SGNUS_HOME" in said


def test_no_node_is_one_sentence_and_exit_status_1(capsys: Captured, tmp_path: Path) -> None:
    assert main(["job", "list", "--home", str(tmp_path / "nobody")]) == 1
    assert "Start one: sgnus node start --home" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["job", "lst"], ["submit"], ["job", "show"], ["node", "--wrong"]]
)
def test_unknown_commands_and_missing_arguments(arguments: list[str], capsys: Captured) -> None:
    assert "Usage: sgnus" in refused(capsys, *arguments)


def test_with_json_an_error_is_an_object_too(capsys: Captured) -> None:
    assert main(["job", "show", "nope", "--json"]) == 2
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["status"]) == ("NotFound", 2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["job", "show"], "Missing argument 'ID'."),
        (["job", "lst"], "No such command 'lst'"),
        (["peers", "--wrong"], "No such option"),
        (["job", "list", "--limit", "x"], "Invalid value for '--limit': 'x' is not a valid integer range."),
    ],
)
def test_with_json_wrong_use_is_one_object_too(arguments: list[str], sentence: str, capsys: Captured) -> None:
    assert main([*arguments, "--json"]) == 2
    captured = capsys.readouterr()
    told: dict[str, Any] = json.loads(captured.out)
    assert told.pop("error").startswith(sentence)
    assert told == {"kind": "UserFault", "status": 2}
    assert "Usage: sgnus" in captured.err


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--detach"]])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--processor", "sobell"], "unknown processor 'sobell': the ones that ship are invert, sobel"),
        (
            ["--processor", "gaussian-blur", "--param", "sgima=2"],
            "no parameter 'sgima': it takes sigma",
        ),
        (["--processor", "gaussian-blur", "--param", "sigma=99"], "must lie between 0.1 and 10.0"),
        (["--processor", "sobel", "--tile", "32x32", "--halo", "0"], "is too small: sobel needs (1, 1, 0)"),
        (["--processor", "app:"], "An app's processor needs a name: app:NAME."),
    ],
)
def test_what_no_processor_takes_starts_no_node(
    options: list[str], sentence: str, more: list[str], startable: Home, capsys: Captured, tmp_path: Path
) -> None:
    place = ["-o", tmp_path / "b.png", "--home", startable.path]
    said = refused(capsys, "submit", png(tmp_path / "a.png"), *options, *place, *more)
    assert sentence in said
    assert said.count("\n") == 1
    assert not startable.path.exists()
