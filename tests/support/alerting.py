"""What rules make of given series, by promtool: which alerts fire, with which labels and annotations."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from alerting.rules import RECORDING, Options, files
from exporter.catalogue import Metric
from tests.support.tools import tool

JOB = "pipeline-exporter"
FIRST, SECOND = "10.0.0.1:9877", "10.0.0.2:9877"
PIPELINE = {"pipeline": "nightly-orders", "environment": "production"}
OWNER = "data-platform"

Series = Mapping[str, str]
"""Values, as promtool writes them, of series by name and labels."""


def told(metric: Metric, values: str, suffix: str = "", /, **labels: str) -> Series:
    """A series of a metric; those of a pipeline are of the pipeline that all cases are about."""
    own = {**(PIPELINE if "pipeline" in metric.labels else {}), **labels}
    assert set(own) <= {*metric.labels, "job", "instance", "le"}, f"{metric.name} has no such labels: {own}"
    every = {"job": JOB, "instance": FIRST, **own}
    written = ",".join(f'{name}="{value}"' for name, value in every.items())
    return {f"{metric.name}{suffix}{{{written}}}": values}


def together(*series: Series) -> Series:
    """Series of several metrics."""
    return {name: values for each in series for name, values in each.items()}


PAIR = "pair-of-exporters"
"""Job of two replicas that tell the same as the one exporter of the other job."""


def beside_replicas(series: Series) -> Series:
    """The series, and the same as two replicas tell them in a job of their own: neither may change the other."""
    first = {name.replace(f'job="{JOB}"', f'job="{PAIR}"'): values for name, values in series.items()}
    second = {name.replace(FIRST, SECOND): values for name, values in first.items()}
    return together(series, first, second)


@dataclass(frozen=True)
class Case:
    """Series, and whether an alert fires over them at a time. `step`: minutes between samples and evaluations.

    `fires`: labels that it has then, of which there must be one alert; None if it is silent. `of_process`: it is about
    what each process tells of itself, so that replicas differ.
    """

    alert: str
    says: str
    series: Series
    at: int
    fires: Mapping[str, str] | None = None
    step: int = 1
    of_process: bool = False

    def __str__(self) -> str:
        return f"{self.alert}: {self.says}"


@dataclass(frozen=True)
class Fired:
    """An alert that fires."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def evaluated(cases: Sequence[Case], group: str, folder: Path) -> list[list[Fired]]:
    """What fires in each case. `group`: the file that the alerts are in."""
    found: dict[int, list[Fired]] = {}
    for alert, step in sorted({(case.alert, case.step) for case in cases}):
        chosen = {n: case for n, case in enumerate(cases) if (case.alert, case.step) == (alert, step)}
        place = folder / f"{alert}-{step}"
        place.mkdir()
        _write_rules(alert, group, place)
        found |= _run(chosen, step, place)
    return [found[number] for number in range(len(cases))]


def _write_rules(alert: str, group: str, folder: Path) -> None:
    """One alert, and the recording rules that it needs: promtool is slow with all of them."""
    written = files(Options())
    content = yaml.safe_load(written[f"{group}.yml"])
    (alerts,) = content["groups"]
    alerts["rules"] = [rule for rule in alerts["rules"] if rule["alert"] == alert]
    text = yaml.safe_dump(content, sort_keys=False, width=1_000_000)
    (folder / "alert.yml").write_text(text, encoding="utf-8")
    (folder / RECORDING).write_text(_needed(written[RECORDING], text), encoding="utf-8")


def _needed(recording: str, alerts: str) -> str:
    """The recording rules that an alert asks for, and those that these ask for."""
    content = yaml.safe_load(recording)
    rules = [rule for group in content["groups"] for rule in group["rules"]]
    texts, kept = [alerts], []
    while texts:
        asked = texts.pop()
        for rule in rules:
            names = [rule["record"], *rule.get("labels", {}).values()]
            if rule not in kept and all(name in asked for name in names):
                kept.append(rule)
                texts.append(rule["expr"])
    for group in content["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule in kept]
    content["groups"] = [group for group in content["groups"] if group["rules"]]
    return yaml.safe_dump(content, sort_keys=False)


def _run(cases: Mapping[int, Case], step: int, folder: Path) -> dict[int, list[Fired]]:
    """promtool shows what it got where it expected something else: so each case expects what never is."""
    never = [{"exp_labels": {"never": "this"}}]
    tests = [
        {
            "name": f"case {number}",
            "interval": f"{step}m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "alert_rule_test": [
                {"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": never},
            ],
        }
        for number, case in cases.items()
    ]
    content = {"rule_files": [RECORDING, "alert.yml"], "evaluation_interval": f"{step}m", "tests": tests}
    file = folder / "cases.yml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    done = subprocess.run(
        [tool("promtool"), "test", "rules", file.name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    parts = re.split(r"^ {4}name: case (\d+),$", done.stdout + done.stderr, flags=re.MULTILINE)
    found = {int(number): list(_fired(text)) for number, text in zip(parts[1::2], parts[2::2], strict=True)}
    assert set(found) == set(cases), done.stdout + done.stderr
    return found


def _fired(text: str) -> Iterable[Fired]:
    _, got, after = text.partition("got:[")
    assert got, text
    for labels, texts in re.findall(r"Labels:\{(.*)\}\n\s*Annotations:\{(.*)\}", after):
        yield Fired(_pairs(labels), _pairs(texts))


def _pairs(text: str) -> Mapping[str, str]:
    found = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', text)
    return {name: value.replace('\\"', '"').replace("\\\\", "\\") for name, value in found}
