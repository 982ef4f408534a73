"""An incremental load of the warehouse as Airflow runs it, and the models that are built when it is done."""

from __future__ import annotations

from dataclasses import replace

from exporter.demo.attempt import Attempt
from exporter.demo.error import Error, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import airflow, universal
from exporter.demo.pipeline import Fate, Pipeline, Schedule, Trouble
from exporter.demo.simulation import Process
from exporter.demo.stage import Artifact, Stage

COLUMN_ADDED = Error(
    type="ProgrammingError",
    message=(
        "100178 (22000): number of columns in file (31) does not match that of the table (30), file "
        "refunds_0007.csv.gz"
    ),
    category="serialization",
    component="snowflake",
    trace=python_trace(
        (
            "/home/airflow/.local/lib/python3.12/site-packages/airflow/models/taskinstance.py",
            776,
            "_execute_callable",
            "return ExecutionCallableRunner(execute_callable, context).run(context=context)",
        ),
        (
            "/opt/airflow/dags/warehouse/load.py",
            66,
            "load_region",
            "hook.run(COPY_INTO, parameters={'region': region})",
        ),
        (
            "/home/airflow/.local/lib/python3.12/site-packages/snowflake/connector/cursor.py",
            1102,
            "execute",
            "Error.errorhandler_wrapper(self.connection, self, ProgrammingError, errvalue)",
        ),
        name="snowflake.connector.errors.ProgrammingError",
    ),
    context={"table": "STAGING.REFUNDS", "file": "refunds_0007.csv.gz", "sqlstate": "22000"},
)

DEADLOCK = Error(
    type="DeadlockDetected",
    message=(
        "deadlock detected: process 2217 waits for ShareLock on transaction 88410937; blocked by process 2219"
    ),
    category="connection",
    component="postgresql",
    severity="warning",
    context={"sqlstate": "40P01"},
)

TEST_FAILED = Error(
    type="DbtTestFailure",
    message="Got 3 results, configured to fail if != 0: unique_fct_orders_order_id",
    category="data_quality",
    component="dbt",
    context={"test": "unique_fct_orders_order_id", "failures": 3, "model": "fct_orders"},
)

_REGIONS = ("emea", "amer", "apac")


def _load(execution: Execution) -> Fate:
    chance = execution.random.random()
    if execution.number % (8 if execution.detailed else 70) == 3:
        return Fate(troubles={"load_staging": Trouble(COLUMN_ADDED, index="apac", at=0.5)})
    if chance < 0.4:
        return Fate(troubles={"extract_orders": Trouble(DEADLOCK, attempts=1)})
    # Full refresh on some days only: the branch leaves the other way out.
    return Fate(skips=frozenset({"snapshot_full"}))


def _load_parameters(execution: Execution) -> dict[str, object]:
    day = execution.due.date().isoformat()
    return {
        "logical_date": execution.due.isoformat(),
        "partition": day,
        "full_refresh": False,
        "pool": "warehouse",
    }


def _marts(execution: Execution) -> Fate:
    if execution.number % (6 if execution.detailed else 60) == 2:
        results = execution.random.randint(1, 14)
        test = execution.random.choice(("unique_fct_orders_order_id", "not_null_fct_refunds_order_id"))
        failed = replace(
            TEST_FAILED,
            message=f"Got {results} results, configured to fail if != 0: {test}",
            context={"test": test, "failures": results, "invocation": execution.id[:8]},
        )
        return Fate(troubles={"test": Trouble(failed, at=1.0)})
    return Fate()


def _marts_parameters(execution: Execution) -> dict[str, object]:
    return {"select": "tag:finance+", "target": "prod", "threads": 8, "invocation": execution.id[:8]}


def _tests(attempt: Attempt, seconds: float) -> Process:
    """dbt's tests: one check of records for each model, a few records of which are wrong."""
    execution, random = attempt.execution, attempt.execution.random
    models = ("fct_orders", "fct_refunds", "dim_customers", "dim_products")
    for number, model in enumerate(models, start=1):
        yield from attempt.advance(seconds, number / len(models))
        checked = round(12_000 * execution.volume)
        duplicates = random.choice([0, 0, 0, 3])
        nulls = random.choice([0, 0, 1, 6])
        execution.tell(
            "pipeline.records.checked",
            stage=attempt.stage.name,
            valid=checked - duplicates - nulls,
            invalid=duplicates + nulls,
            rules={f"unique_{model}": duplicates, f"not_null_{model}": nulls},
            completeness=round(1 - nulls / checked, 6),
        )


PIPELINES = (
    Pipeline(
        name="sales_warehouse",
        kind="etl",
        owner="data-engineering",
        description="Loads new orders, customers and refunds every two minutes: a DAG of Airflow.",
        labels={"team": "data-engineering", "tier": "1", "orchestrator": "airflow"},
        stages=(
            Stage("wait_for_export", 2.5, kind="S3KeySensor", cores=0.02, memory=140),
            Stage(
                "extract_orders",
                5,
                ("wait_for_export",),
                kind="PostgresOperator",
                items=21_000,
                attempts=2,
                reads=130,
            ),
            Stage(
                "extract_customers", 3, ("wait_for_export",), kind="PostgresOperator", items=2600, reads=22
            ),
            Stage("extract_refunds", 2.5, ("wait_for_export",), kind="PostgresOperator", items=740, reads=6),
            Stage(
                "load_staging",
                5,
                ("extract_orders", "extract_customers", "extract_refunds"),
                kind="PythonOperator",
                items=8100,
                writes=55,
                instances=_REGIONS,
                says=(("info", "{index}: COPY INTO staging, {done} of {total} rows"),),
            ),
            Stage("choose_refresh", 0.4, ("load_staging",), kind="BranchPythonOperator"),
            Stage("snapshot_full", 6, ("choose_refresh",), kind="SnowflakeOperator"),
            Stage(
                "merge_increment", 4, ("choose_refresh",), kind="SnowflakeOperator", items=24_300, keeps=0.98
            ),
            Stage(
                "aggregate_sales",
                4.5,
                ("merge_increment",),
                kind="SnowflakeOperator",
                items=23_800,
                keeps=0.04,
            ),
            Stage("refresh_dashboards", 1.5, ("aggregate_sales",), kind="HttpOperator", cores=0.05),
            Stage(
                "publish_report",
                1.8,
                ("aggregate_sales",),
                kind="PythonOperator",
                makes=(Artifact("sales.html", "s3://reports/sales/{id}.html", "text/html", 0.4),),
            ),
            Stage("notify", 0.4, ("refresh_dashboards", "publish_report"), kind="SlackOperator", always=True),
        ),
        schedule=Schedule(every=120, cron="*/2 * * * *", timezone="Europe/Paris", grace=40),
        starts=("finance_marts",),
        first=10.0,
        history_every=3600,
        queues_stages=True,
        heartbeat=60,
        identifier=airflow,
        parameters=_load_parameters,
        fate=_load,
    ),
    Pipeline(
        name="finance_marts",
        kind="dbt",
        owner="analytics-engineering",
        description="Builds and tests the finance models. Started by sales_warehouse.",
        labels={"team": "analytics", "tier": "1", "orchestrator": "dbt"},
        stages=(
            Stage("stg_orders", 1.6, kind="view", items=23_800),
            Stage("stg_refunds", 1.1, kind="view", items=730),
            Stage("dim_customers", 2.4, kind="table", items=2600),
            Stage("fct_orders", 4.2, ("stg_orders", "dim_customers"), kind="incremental", items=23_800),
            Stage("fct_refunds", 2.2, ("stg_refunds", "fct_orders"), kind="incremental", items=730),
            Stage("mart_revenue", 3, ("fct_orders", "fct_refunds"), kind="table", items=24_500, keeps=0.01),
            Stage(
                "test",
                4,
                ("mart_revenue",),
                kind="test",
                act=_tests,
                makes=(
                    Artifact(
                        "run_results.json",
                        "s3://dbt-artifacts/{id}/run_results.json",
                        "application/json",
                        0.2,
                    ),
                ),
            ),
        ),
        graph_from_events=True,
        overlaps=True,
        identifier=universal,
        parameters=_marts_parameters,
        fate=_marts,
    ),
)
