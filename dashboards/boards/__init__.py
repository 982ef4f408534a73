"""The dashboards, one module each, with a function `board()`."""

from dashboards.boards import (
    errors,
    execution,
    exporter,
    home,
    live,
    llm,
    pipeline,
    quality,
    schedules,
    stage,
    streams,
)

BOARDS = (
    home.board(),
    pipeline.board(),
    stage.board(),
    execution.board(),
    errors.board(),
    streams.board(),
    quality.board(),
    llm.board(),
    schedules.board(),
    live.board(),
    exporter.board(),
)
