"""The dashboards, one module each, with a function `board()`."""

from dashboards.boards import home, pipeline, stage

BOARDS = (home.board(), pipeline.board(), stage.board())
