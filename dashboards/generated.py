"""The files of the dashboards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from dashboards.grafana.dashboard import Dashboard


def texts(boards: Iterable[Dashboard]) -> dict[str, str]:
    """Text of each file by its name. Raises ValueError for a uid that stands twice."""
    found: dict[str, str] = {}
    for board in boards:
        name = f"{board.uid.removeprefix('pipelines-')}.json"
        if name in found:
            raise ValueError(f"two dashboards have the uid {board.uid}")
        found[name] = json.dumps(board.to_json_data(), indent=1, ensure_ascii=False) + "\n"
    return found


def changed(folder: Path, wanted: Mapping[str, str]) -> list[str]:
    """Names of files that are missing, different, or nobody's."""
    present = {path.name: path.read_text() for path in folder.glob("*.json")}
    return sorted(name for name in {*wanted, *present} if wanted.get(name) != present.get(name))
