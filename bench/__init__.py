"""How fast the exporter is, measured beside what a user would take instead: `python -m bench`."""
