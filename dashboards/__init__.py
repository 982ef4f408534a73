"""The Grafana dashboards as code: `python -m dashboards` writes provisioning/dashboards/Pipelines/*.json.

`grafana` is a layer over grafanalib that speaks today's JSON; `boards` has one file for each dashboard. What several of
them share stands between: `links` (uids, drill-down), `look` (colours, signs, thresholds), `scope` (which series the
variables choose), `tables` (tables of executions and their SQL).
"""
