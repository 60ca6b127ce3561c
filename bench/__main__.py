"""Runs every measurement of this folder, or those that are named: `python -m bench noop image`, `make bench`. One that is named
alone may have options: `python -m bench crowd --peers 10,100`.

BENCH_QUICK=1 takes small sizes and one round, to see that everything runs.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from bench._figures import told_load


def main() -> int:
    """Exit status 2 for a name that there is not."""
    found = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if not file.stem.startswith("_"))
    if sys.argv[1:2] in (["-h"], ["--help"]):
        sys.stdout.write(f"{(__doc__ or '').strip()}\n\nMeasurements: {', '.join(found)}.\n")
        return 0
    options = [word for word in sys.argv[1:] if not word.isidentifier()]
    first = sys.argv.index(options[0]) if options else len(sys.argv)
    wanted, options = sys.argv[1:first] or found, sys.argv[first:]
    for name in wanted:
        if name not in found:
            sys.stderr.write(f"There is no measurement {name!r}; there are: {', '.join(found)}.\n")
            return 2
    if options and len(wanted) != 1:
        sys.stderr.write(f"{options[0]} belongs to one measurement: name it first, and it alone.\n")
        return 2
    sys.argv = [sys.argv[0], *options]
    for name in wanted:
        module = importlib.import_module(f"bench.{name}")
        print(f"== {name}: {(module.__doc__ or '').strip().splitlines()[0]} (load {told_load()})", flush=True)
        module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
