"""Text from outside, made fit to be stored."""

from __future__ import annotations

import pytest

from exporter.domain.text import clean_name


@pytest.mark.parametrize("character", ["\x00", "\n", "\ufffd"])
def test_a_name_has_no_character_that_promql_cannot_write(character: str) -> None:
    assert clean_name(f"nightly{character}load") == "nightly?load"
