"""Which format a scrape is answered in."""

import pytest
from prometheus_client.exposition import choose_encoder

from exporter.exposition.negotiation import Kept, gzip_accepted, negotiated

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "kept"),
    [
        ("", Kept.TEXT),
        ("*/*", Kept.TEXT),
        ("text/html,application/xhtml+xml", Kept.TEXT),
        ("text/plain;version=0.0.4", Kept.TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Kept.TEXT),
        ("text/plain;version=1.0.0;escaping=dots", None),
        ("application/openmetrics-text", Kept.OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", Kept.TEXT),
        ("application/openmetrics-text;version=1.0.0;escaping=values", None),
        (PROMETHEUS, Kept.OPENMETRICS),
    ],
)
def test_the_format_is_prometheus_clients_choice(accept: str, kept: Kept | None) -> None:
    chosen = negotiated(accept)
    assert (chosen.content_type, chosen.kept) == (choose_encoder(accept)[1], kept)


def test_a_version_that_is_no_number_gets_plain_text() -> None:
    chosen = negotiated("application/openmetrics-text; version=latest")
    assert (chosen.content_type, chosen.kept) == ("text/plain; version=0.0.4; charset=utf-8", Kept.TEXT)


@pytest.mark.parametrize("header", ["gzip", "gzip, deflate, br", "br;q=1.0, GZIP;q=0.2", " gzip ;q=1"])
def test_gzip_is_accepted(header: str) -> None:
    assert gzip_accepted(header)


@pytest.mark.parametrize("header", ["", "identity", "deflate", "gzip;q=0", "gzip; q=0.000", "x-gzipped"])
def test_gzip_is_not_accepted(header: str) -> None:
    assert not gzip_accepted(header)
