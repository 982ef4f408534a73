"""What msgspec says of a wrong field becomes a JSON pointer and a message."""

import msgspec
import pytest
from msgspec import Struct

from exporter.ingest.refusal import FieldError, field_error, pointer


class Stage(Struct):
    name: str


class Body(Struct):
    stages: list[Stage] = []
    labels: dict[str, int] = {}
    numbers: dict[int, int] = {}
    count: int = 0


@pytest.mark.parametrize(
    ("body", "at", "message"),
    [
        (b'{"stages":[{"name":"a"},{"name":3}]}', "/stages/1/name", "Expected `str`, got `int`"),
        (b'{"stages":[{}]}', "/stages/0", "Object missing required field `name`"),
        (b'{"labels":{"a/b":"x"}}', "/labels", "Expected `int`, got `str`"),
        (b'{"numbers":{"x":1}}', "/numbers", "Expected `int`, got `str`"),
        (b"[]", "", "Expected `object`, got `array`"),
    ],
)
def test_a_wrong_field_is_named_by_its_pointer(body: bytes, at: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Body)
    assert field_error(caught.value) == FieldError(at, message)


def test_a_value_inside_a_body_is_named_from_the_top() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"count":"x"}', type=Body)
    assert field_error(caught.value, below="/data").pointer == "/data/count"


def test_a_pointer_escapes_what_rfc_6901_reserves() -> None:
    assert pointer("a", 0, "b/c~d") == "/a/0/b~1c~0d"
