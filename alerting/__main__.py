"""`python -m alerting`: write rules and their documents, or prove them fresh."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from alerting.document import DOCUMENT, PARTS
from alerting.rules import Options, files
from exporter.catalogue.markdown import refreshed

FOLDER = "prometheus/rules"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write, or with `--check` compare: 1 if something is not as it would be written."""
    asked = _parser().parse_args(arguments)
    labels = dict(asked.label)
    written = {
        asked.folder / name: text
        for name, text in files(Options(asked.runbooks_url, asked.grafana_url, labels)).items()
    }
    stale = {path for path in asked.folder.glob("*.yml") if path not in written and _is_ours(path)}
    document = Path(DOCUMENT)
    if asked.folder == Path(FOLDER):
        written[document] = refreshed(document.read_text(encoding="utf-8"), PARTS)
    if asked.check:
        return _compare(written, stale)
    asked.folder.mkdir(parents=True, exist_ok=True)
    for path in stale:
        path.unlink()
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _compare(written: dict[Path, str], stale: set[Path]) -> int:
    changed = [path for path, text in written.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in sorted([*changed, *stale]):
        sys.stderr.write(f"{path} is not fresh: run `python -m alerting`\n")
    return 1 if changed or stale else 0


def _is_ours(path: Path) -> bool:
    return path.read_text(encoding="utf-8").startswith("# Written by `python -m alerting`")


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(prog="python -m alerting", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if something is not fresh")
    parser.add_argument(
        "--folder", type=Path, default=Path(FOLDER), help=f"where rules go (default: {FOLDER})"
    )
    parser.add_argument(
        "--runbooks-url", default=usual.runbooks_url, type=_address, metavar="URL",
        help=f"where people read runbooks (default: {usual.runbooks_url}, the exporter's)",
    )  # fmt: skip
    parser.add_argument(
        "--grafana-url", default=usual.grafana_url, type=_address, metavar="URL",
        help=f"where Grafana is, for links to dashboards (default: {usual.grafana_url})",
    )  # fmt: skip
    parser.add_argument(
        "--label", default=[], type=_label, action="append", metavar="NAME=VALUE",
        help="a label that every alert has besides, to be routed by; may be repeated",
    )  # fmt: skip
    return parser


def _address(text: str) -> str:
    if not text.strip() or "{{" in text:
        raise argparse.ArgumentTypeError("expected an address")
    return text.rstrip("/")


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier() or not name.isascii() or name == "severity":
        raise argparse.ArgumentTypeError(
            "expected NAME=VALUE, where NAME is a label's name other than severity"
        )
    return name, value


if __name__ == "__main__":
    sys.exit(main())
