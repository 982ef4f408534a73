"""`python -m dashboards` writes the dashboards; `--check` says which files are not what the code writes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboards.boards import all_boards
from dashboards.generated import changed, texts

FOLDER = Path(__file__).parent.parent / "provisioning" / "dashboards" / "Pipelines"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is stale")
    wanted = texts(all_boards())
    stale = changed(FOLDER, wanted)
    if parser.parse_args().check:
        for name in stale:
            print(f"stale: {FOLDER.name}/{name}; `make dashboards` writes it anew", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        path = FOLDER / name
        if name in wanted:
            path.write_text(wanted[name])
        else:
            path.unlink()
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
