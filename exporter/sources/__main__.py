"""`python -m exporter.sources` writes the JSON Schema of mapping files from the types that read them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from exporter.sources.mapping import Mapping

FILE = Path(__file__).with_name("mapping.schema.json")


def schema() -> str:
    """The schema as text."""
    told = msgspec.json.schema(Mapping)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mapping file of pipeline-exporter",
    }
    return json.dumps(head | told, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(schema(), encoding="utf-8")
