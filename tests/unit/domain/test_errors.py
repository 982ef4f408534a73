"""Categories of errors whose source names none."""

from __future__ import annotations

import pytest

from exporter.domain.errors import classify


@pytest.mark.parametrize(
    ("type_", "message", "category"),
    [
        ("KeyError", "'customer'", "processing"),
        ("KeyError", "'DATABASE_URL is not set'", "configuration"),
        ("ConfigError", "no section", "configuration"),
        ("PermissionError", "[Errno 13] Permission denied: './job.sh'", "authorization"),
    ],
)
def test_a_missing_key_alone_says_nothing_of_the_configuration(
    type_: str, message: str, category: str
) -> None:
    assert classify(type_, message) == category
