"""A layer over grafanalib, whose JSON stopped before Grafana 8: panels, fields, queries and layout of Grafana 12."""
