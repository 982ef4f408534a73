"""Where the repository is, and what tests read from it."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def recordings_folder() -> Path:
    """Requests of real clients, one JSON line each; PIPELINE_EXPORTER_RECORDINGS names another folder."""
    return Path(os.environ.get("PIPELINE_EXPORTER_RECORDINGS") or REPOSITORY / "tests" / "recordings")
