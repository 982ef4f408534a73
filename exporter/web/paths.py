"""What a path of a route may hold."""

from __future__ import annotations

from starlette.convertors import PathConvertor, register_url_convertor


class _TextConvertor(PathConvertor):
    """Any text. Names that clients give hold slashes and, now and then, line breaks."""

    regex = "(?s:.*)"


def install() -> None:
    """Let routes say `{name:text}`; to be called before they are made."""
    register_url_convertor("text", _TextConvertor())
