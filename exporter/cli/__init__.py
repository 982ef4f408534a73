"""The command `pipeline-exporter`."""

from exporter.cli.main import main

__all__ = ["main"]
