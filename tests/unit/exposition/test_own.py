"""What the exporter tells of itself."""

from prometheus_client import CollectorRegistry

from exporter.catalogue.own import OWN
from exporter.exposition.own import SHARED, OwnMetrics


def names(registry: CollectorRegistry) -> set[str]:
    return {family.name for family in registry.collect()}


def test_each_of_its_metrics_is_shared_or_made_by_the_process() -> None:
    shared = {metric.family for metric in SHARED}
    local = names(OwnMetrics(process=False).registry)
    assert (shared & local, shared | local) == (set(), {metric.family for metric in OWN})


def test_no_series_tells_when_a_metric_was_made() -> None:
    own = OwnMetrics()
    own.committed(0.1)
    own.failed("database")
    samples = [sample.name for family in own.registry.collect() for sample in family.samples]
    assert [name for name in samples if name.endswith("_created")] == []


def test_the_database_is_down_from_a_failed_commit_to_the_next_that_succeeds() -> None:
    own = OwnMetrics(process=False)

    def up() -> float | None:
        return own.registry.get_sample_value("pipeline_exporter_database_up")

    own.failed("database")
    assert up() == 0
    own.committed(0.1)
    own.failed("defect")
    assert up() == 1
