"""JUnit XML, as pytest, Maven, Gradle, Jest and others write it: each suite as a document.

There is no standard; what they have in common is https://github.com/testmoapp/junitxml.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

_WORDS = {"failure": "failed", "error": "error", "skipped": "skipped"}


def suites(text: str) -> Iterator[dict[str, Any]]:
    """Suites of a file, outer ones that have no cases of their own left out. Raises ValueError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a document type is not expected in JUnit XML")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    for suite in root.iter("testsuite"):
        cases = [_case(case) for case in suite.findall("testcase")]
        if cases:
            failed = any(case["status"] in ("failed", "error") for case in cases)
            yield {**suite.attrib, "status": "failed" if failed else "passed", "cases": cases}


def _case(case: ET.Element) -> dict[str, Any]:
    found: dict[str, Any] = {**case.attrib, "status": "passed"}
    for tag, word in _WORDS.items():
        child = case.find(tag)
        if child is not None:
            text = (child.text or "").strip()
            message = child.get("message") or text.partition("\n")[0]
            found |= {
                "status": word,
                "message": message,
                "type": child.get("type"),
                "stacktrace": text or None,
            }
            break
    return found
