"""pipeline-exporter: pipeline runs in, run history and Prometheus metrics out."""

__version__ = "0.1.0"
