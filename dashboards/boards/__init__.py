"""The dashboards, one module each, with a function `board()`."""

from dashboards.boards import pipeline

BOARDS = (pipeline.board(),)
