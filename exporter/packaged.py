"""Files that come with the package from elsewhere in the project: dashboards, rules, runbooks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("exporter")))
_SOURCES = {
    "dashboards": Path("provisioning/dashboards/Pipelines"),
    "rules": Path("prometheus/rules"),
    "runbooks": Path("docs/runbooks"),
}
_SUFFIXES = (".json", ".yml", ".md")


def bundled(kind: str) -> list[Path]:
    """The files of a kind, such as `dashboards`, by name: from the wheel, or else from the source tree."""
    installed = _PACKAGE / "bundled" / kind
    folder = installed if installed.is_dir() else _PACKAGE.parent / _SOURCES[kind]
    found = sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)
    if not found:
        raise FileNotFoundError(f"this installation has no {kind}: expected them in {installed}")
    return found
