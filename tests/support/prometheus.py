"""Real Prometheus, Alertmanager and Pushgateway, each with its data in the test's own folder."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import requests
import yaml

from tests.support.program import Program, free_port
from tests.support.tools import tool

# JSON as these servers give it.
Json = dict[str, Any]


class Prometheus(Program):
    """config: what prometheus.yml says. flags: further command-line flags.

    Exemplars, native histograms and the remote-write receiver are on; /-/reload works.
    """

    def __init__(self, folder: Path, config: Mapping[str, object], *flags: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self.config_file = folder / "prometheus.yml"
        self.configure(config)
        super().__init__(
            "prometheus",
            [
                tool("prometheus"),
                f"--config.file={self.config_file}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                f"--web.listen-address={address}",
                "--web.enable-lifecycle",
                "--web.enable-remote-write-receiver",
                "--enable-feature=exemplar-storage,native-histograms",
                *flags,
            ],
            folder=folder,
        )

    def wait_until_ready(self) -> None:
        self.wait_until_answers(f"{self.url}/-/ready")

    def configure(self, config: Mapping[str, object]) -> None:
        """Writes prometheus.yml; `reload` makes a running server read it."""
        self.config_file.write_text(yaml.safe_dump(dict(config)))

    def reload(self) -> None:
        answer = requests.post(f"{self.url}/-/reload", timeout=30)
        if not answer.ok:
            raise ValueError(answer.text)

    def get(self, path: str, **parameters: str | Sequence[str]) -> Any:
        """The `data` of an answer of its HTTP API: `get("series", **{"match[]": "up"})`."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        body: Json = answer.json()
        if body["status"] != "success":
            raise ValueError(f"{path} {parameters}: {body['error']}")
        return body["data"]

    def query(self, expression: str, *, at: datetime | None = None) -> list[Json]:
        """The instant vector of an expression: `[{"metric": {...}, "value": [time, "1"]}]`."""
        when = {"time": at.isoformat()} if at else {}
        result: list[Json] = self.get("query", query=expression, **when)["result"]
        return result


class StartPrometheus(Protocol):
    """The fixture `start_prometheus`."""

    def __call__(self, config: Mapping[str, object], *flags: str) -> Prometheus: ...


class Alertmanager(Program):
    """config: what alertmanager.yml says."""

    def __init__(self, folder: Path, config: Mapping[str, object], *flags: str) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        config_file = folder / "alertmanager.yml"
        config_file.write_text(yaml.safe_dump(dict(config)))
        super().__init__(
            "alertmanager",
            [
                tool("prometheus-alertmanager", "alertmanager"),
                f"--config.file={config_file}",
                f"--storage.path={folder / 'alertmanager'}",
                f"--web.listen-address={address}",
                "--cluster.listen-address=",  # alone: no gossip port
                *flags,
            ],
            folder=folder,
        )

    def wait_until_ready(self) -> None:
        self.wait_until_answers(f"{self.url}/-/ready")

    def alerts(self) -> list[Json]:
        """The alerts it holds, as its API tells them."""
        answer = requests.get(f"{self.url}/api/v2/alerts", timeout=30)
        answer.raise_for_status()
        result: list[Json] = answer.json()
        return result


class Pushgateway(Program):
    def __init__(self, folder: Path) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        command = [tool("prometheus-pushgateway", "pushgateway"), f"--web.listen-address={address}"]
        super().__init__("pushgateway", command, folder=folder)

    def wait_until_ready(self) -> None:
        self.wait_until_answers(f"{self.url}/-/ready")
