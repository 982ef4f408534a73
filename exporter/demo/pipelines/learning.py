"""Training of a model: long, told by the epoch, halted for others, and sometimes given up by its owner."""

from __future__ import annotations

from dataclasses import replace

from exporter.demo.attempt import Attempt
from exporter.demo.error import Error, StageFailed, python_trace
from exporter.demo.execution import Execution
from exporter.demo.identity import universal
from exporter.demo.pipeline import Pipeline
from exporter.demo.simulation import Process
from exporter.demo.stage import Artifact, Stage, chain

_EPOCHS = 12

GIVEN_UP = Error(
    type="Cancelled",
    message="cancelled by m.okafor: validation loss diverges",
    category="processing",
    component="scheduler",
    severity="warning",
)

DIVERGED = Error(
    type="FloatingPointError",
    message="loss is NaN at step 4107 (epoch 4); last finite loss 18.402, gradient norm inf",
    category="processing",
    component="trainer",
    trace=python_trace(
        ("/workspace/churn/train.py", 231, "<module>", "trainer.fit(model, data)"),
        ("/workspace/churn/trainer.py", 148, "fit", "self._step(batch)"),
        ("/workspace/churn/trainer.py", 97, "_step", "raise FloatingPointError(self._explain(loss))"),
    ),
    context={"learning_rate": 0.02, "epoch": 4, "step": 4107, "gpu": "A100-40GB"},
)


def _diverged(attempt: Attempt) -> Error:
    step, last = attempt.execution.random.randint(3900, 4900), attempt.execution.random.uniform(4, 40)
    rate = attempt.execution.parameters["learning_rate"]
    return replace(
        DIVERGED,
        message=f"loss is NaN at step {step} (epoch 5); last finite loss {last:.3f}, gradient norm inf",
        context={"learning_rate": rate, "epoch": 5, "step": step, "gpu": "A100-40GB"},
    )


def _train(attempt: Attempt, seconds: float) -> Process:
    """Epoch after epoch; every second execution is halted for a while, some do not get to the end."""
    execution, random = attempt.execution, attempt.execution.random
    loss = 0.69
    for epoch in range(1, _EPOCHS + 1):
        yield from attempt.advance(seconds, epoch / _EPOCHS)
        loss *= random.uniform(0.86, 0.97)
        attempt.log("info", f"epoch {epoch}/{_EPOCHS} loss={loss:.4f} auc={1 - loss / 2.4:.4f}", epoch=epoch)
        if epoch == 4 and execution.number % 2 == 0:
            yield from _halt(attempt)
        if epoch == 5 and execution.number % (5 if execution.detailed else 20) == 3:
            raise StageFailed(_diverged(attempt))
        if epoch == 7 and execution.number % 3 == 1:
            raise StageFailed(GIVEN_UP, "cancelled")
    execution.tell(
        "pipeline.artifact.produced",
        stage=attempt.stage.name,
        name="model.safetensors",
        uri=f"s3://models/churn/{execution.id}/model.safetensors",
        bytes=round(48e6),
        media_type="application/octet-stream",
    )


def _halt(attempt: Attempt) -> Process:
    attempt.log("warning", "preempted: the node is wanted by a job of higher priority, checkpoint written")
    attempt.execution.pause()
    yield attempt.execution.real(14)
    attempt.execution.resume()
    attempt.log("info", "resumed from the checkpoint of epoch 4")


def _parameters(execution: Execution) -> dict[str, object]:
    random = execution.random
    return {
        "learning_rate": random.choice([0.0005, 0.001, 0.003, 0.02]),
        "batch_size": random.choice([256, 512, 1024]),
        "epochs": _EPOCHS,
        "features": "v31",
        "seed": random.randint(1, 9999),
    }


PIPELINES = (
    Pipeline(
        name="churn-model-training",
        thresholds={"success_objective": 0.75},
        environment="development",
        kind="training",
        owner="machine-learning",
        description=(
            "Trials of the churn model's hyperparameters on spot nodes; halted when others need the node."
        ),
        labels={"team": "machine-learning", "node_pool": "gpu-spot"},
        stages=chain(
            Stage("load_features", 5, kind="spark", items=310_000, cores=3.5, memory=5200, reads=800),
            Stage("split", 1.2, items=310_000, memory=2100),
            Stage(
                "train",
                70,
                kind="gpu",
                cores=1.4,
                memory=6100,
                accelerator=22_500,
                spread=0.1,
                reads=2600,
                act=_train,
            ),
            Stage("evaluate", 5, kind="gpu", items=62_000, accelerator=9000, memory=3900),
            Stage(
                "register",
                1,
                kind="mlflow",
                makes=(
                    Artifact("metrics.json", "s3://models/churn/{id}/metrics.json", "application/json", 0.01),
                ),
            ),
        ),
        arrivals=85,
        trigger="api",
        first=3.0,
        history_every=5400,
        heartbeat=60,
        reports_progress=True,
        identifier=universal,
        parameters=_parameters,
    ),
)
