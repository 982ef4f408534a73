"""The dashboards, one module each, with a function `board()`."""

from dashboards.boards import home, pipeline, quality, stage, streams

BOARDS = (home.board(), pipeline.board(), stage.board(), streams.board(), quality.board())
