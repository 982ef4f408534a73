"""Alerts: definitions in Python, from which `python -m alerting` writes rules for Prometheus and their documents."""
