"""The dashboards, one module each, with a function `board()`."""

from dashboards.boards import exporter, home, live, llm, pipeline, quality, stage, streams

BOARDS = (
    home.board(),
    pipeline.board(),
    stage.board(),
    streams.board(),
    quality.board(),
    llm.board(),
    live.board(),
    exporter.board(),
)
