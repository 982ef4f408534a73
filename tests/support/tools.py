"""Programs from Debian's packages."""

import os
import shutil
from pathlib import Path


class MissingTool(Exception):
    """A program that tests need is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not installed; `make tools` installs what the tests need")


def tool(*names: str) -> str:
    """Path of the first of these programs that is installed.

    Several names are one program's: Debian says prometheus-alertmanager where its makers say alertmanager.
    """
    for name in names:
        if path := shutil.which(name):
            return path
    raise MissingTool(names[0])


def postgresql_tool(name: str) -> str:
    """Path of a program of the newest PostgreSQL here; Debian keeps the server's out of PATH."""
    versions = [folder for folder in Path("/usr/lib/postgresql").glob("*") if folder.name.isdecimal()]
    for folder in sorted(versions, key=lambda folder: int(folder.name), reverse=True):
        if (path := folder / "bin" / name).exists():
            return str(path)
    return tool(name)


def sbin_tool(name: str) -> str:
    """Path of a server that Debian keeps out of the PATH of users."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return path or tool(name)
