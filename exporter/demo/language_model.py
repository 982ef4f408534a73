"""Calls of language models: how long they take, what they cost, and when a provider refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from exporter.demo.attempt import Attempt
from exporter.demo.error import Error, StageFailed, python_trace
from exporter.demo.execution import Execution
from exporter.demo.simulation import Process

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Model:
    """A model at a provider: prices in USD per million tokens, seconds to the first token, tokens per second.

    `refuses`: the part of a cycle (ten minutes live) in which the provider answers 429, in history
    a tenth of it once a day.
    `falters`: the share of calls that it answers with an error of its own.
    `thinks`: tokens that it thinks with before each token of the answer, billed like those.
    Without prices it runs on a machine of one's own, and nobody knows what a call costs.
    """

    provider: str
    requested: str
    responded: str
    input_price: float | None
    output_price: float | None
    first_token: float
    tokens_per_second: float
    operation: str = "chat"
    refuses: tuple[float, float] = (0.0, 0.0)
    falters: float = 0.0
    thinks: float = 0.0

    def overloaded(self, execution: Execution) -> bool:
        """Whether calls now meet the rate limit."""
        begin, end = self.refuses
        if not execution.detailed:
            end = begin + (end - begin) / 10
        return begin <= execution.simulation.phase(live=600, history=86_400) < end

    def cost(self, taken: int, given: int, cached: int) -> float | None:
        """Price of a call in USD, if it has one; cached input is billed at a quarter, as providers commonly do."""
        if self.input_price is None or self.output_price is None:
            return None
        price = ((taken - 0.75 * cached) * self.input_price + given * self.output_price) / MILLION
        return round(price, 8)


GPT = Model("openai", "gpt-5", "gpt-5-2025-08-07", 1.25, 10.0, 0.9, 95, thinks=0.8)
GPT_MINI = Model("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07", 0.25, 2.0, 0.45, 170)
GEMINI = Model("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash", 0.3, 2.5, 0.38, 230)
MISTRAL = Model("mistral_ai", "mistral-large-latest", "mistral-large-2411", 2.0, 6.0, 0.6, 70, falters=0.05)
LLAMA = Model("groq", "llama-3.3-70b", "llama-3.3-70b-versatile", 0.59, 0.79, 0.16, 280, refuses=(0.2, 0.55))
QWEN = Model("ollama", "qwen3:8b", "qwen3:8b", None, None, 0.3, 60, thinks=0.5)
EMBEDDING = Model(
    "openai", "text-embedding-3-small", "text-embedding-3-small", 0.02, 0.0, 0.08, 900, operation="embeddings"
)


def usual_size(execution: Execution) -> float:
    """The input is as long as usual."""
    del execution
    return 1.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is asked: a template with {variables}, its usual size in tokens, and an answer.

    `choices` holds the values that each variable may have; `follows` names variables that depend on the value
    of another one. `tokens` are those of input and output, of which the share `cached` of the input was seen
    before. `swells`: how many times its usual size the input has in an execution; none of the rest is cached.
    """

    template: str
    text: str
    answer: str
    choices: Mapping[str, tuple[str, ...]]
    tokens: tuple[int, int]
    cached: float = 0.0
    follows: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    swells: Callable[[Execution], float] = usual_size

    def choose(self, random: Random) -> dict[str, str]:
        """Values of the variables."""
        chosen = {name: random.choice(values) for name, values in self.choices.items()}
        return chosen | {name: of[chosen[variable]] for name, (variable, of) in self.follows.items()}


_TRACE = (
    ("/app/steps/runner.py", 118, "run_step", "answer = provider.complete(prompt, step.options)"),
    ("/app/providers/http.py", 64, "complete", "return self._request(payload)"),
    ("/app/providers/http.py", 91, "_request", "raise self._error_of(response)"),
)


def rate_limited(model: Model, random: Random) -> Error:
    """The provider's 429."""
    limit, used, requested = 30_000, random.randint(28_900, 29_990), random.randint(1100, 2600)
    wait = round((used + requested - limit) / limit * 60, 3)
    message = (
        f"Error code: 429 - rate limit reached for model `{model.requested}` on tokens per minute (TPM): "
        f"limit {limit}, used {used}, requested {requested}. Please try again in {wait}s."
    )
    return Error(
        type="RateLimitError",
        message=message,
        category="rate_limit",
        component=model.provider,
        severity="warning",
        trace=python_trace(*_TRACE, name="openai.RateLimitError"),
        context={"http_status": 429, "retry_after_seconds": wait, "limit_tokens_per_minute": limit},
    )


def overloaded(model: Model) -> Error:
    """The provider's 503."""
    return Error(
        type="InternalServerError",
        message=f"Error code: 503 - service tier capacity exceeded for model `{model.requested}`",
        category="connection",
        component=model.provider,
        trace=python_trace(*_TRACE, name="openai.InternalServerError"),
        context={"http_status": 503},
    )


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt whose variables have values, asked in one attempt of a stage."""

    attempt: Attempt
    prompt: Prompt
    variables: Mapping[str, str]

    def put_to(self, model: Model) -> Process:
        """One call of the model. Raises StageFailed if its provider refuses."""
        random = self.attempt.execution.random
        if model.overloaded(self.attempt.execution) and random.random() < 0.7:
            return self._refused(model, rate_limited(model, random), random.uniform(0.04, 0.2))
        if random.random() < model.falters:
            return self._refused(model, overloaded(model), random.uniform(2, 9))
        return self._answered(model)

    def _refused(self, model: Model, error: Error, seconds: float) -> Process:
        duration = self.attempt.execution.real(seconds)
        yield duration
        self._tell(model, duration_seconds=round(duration, 6), error=error.as_data())
        raise StageFailed(error)

    def _answered(self, model: Model) -> Process:
        execution, random = self.attempt.execution, self.attempt.execution.random
        size = self.prompt.swells(execution)
        taken = round(self.prompt.tokens[0] * size * random.lognormvariate(0, 0.2))
        answer = round(self.prompt.tokens[1] * random.lognormvariate(0, 0.3))
        thought = round(answer * model.thinks)
        given = answer + thought
        cached = round(taken * self.prompt.cached) if random.random() < 0.7 and size == 1 else 0
        # A long input is read before the first token comes.
        first = execution.real(model.first_token * (1 + taken / 60_000) * random.lognormvariate(0, 0.3))
        duration = first + execution.real(given / (model.tokens_per_second * random.uniform(0.8, 1.15)))
        yield duration
        text = self.prompt.answer.format_map(self.variables)
        self._tell(
            model,
            response_model=model.responded,
            input_tokens=taken,
            output_tokens=given or None,
            cached_tokens=cached or None,
            reasoning_tokens=thought or None,
            duration_seconds=round(duration, 6),
            time_to_first_token_seconds=round(first, 6) if given else None,
            response=text if execution.detailed and text else None,
            cost_usd=model.cost(taken, given, cached),
        )
        tokens = f"input_tokens={taken} output_tokens={given} cached={cached}"
        self.attempt.log("debug", f"llm call model={model.requested} {tokens}")

    def _tell(self, model: Model, **told: object) -> None:
        # Texts would make up most of a history, and nobody reads them there.
        detailed = self.attempt.execution.detailed
        self.attempt.execution.tell(
            "pipeline.llm.called",
            stage=self.attempt.stage.name,
            provider=model.provider,
            request_model=model.requested,
            operation=model.operation,
            template=self.prompt.template or None,
            prompt=self.prompt.text.format_map(self.variables) if detailed else None,
            variables=dict(self.variables) if detailed else None,
            **told,
        )


def calls(prompt: Prompt, *models: Model, times: int = 1) -> Callable[[Attempt, float], Process]:
    """Work of a stage: so many calls, each with the first of the models that takes it."""

    def act(attempt: Attempt, seconds: float) -> Process:
        for number in range(1, times + 1):
            yield from _first_that_answers(attempt, prompt, models)
            attempt.reach(number / times, seconds / times, number, times)

    return act


def _first_that_answers(attempt: Attempt, prompt: Prompt, models: tuple[Model, ...]) -> Process:
    random = attempt.execution.random
    question = Question(attempt, prompt, prompt.choose(random))
    for model, fallback in zip(models, (*models[1:], None), strict=True):
        try:
            yield from question.put_to(model)
        except StageFailed as refusal:
            if fallback is None:
                raise
            attempt.execution.tell(
                "pipeline.warning.raised",
                stage=attempt.stage.name,
                code="provider_fallback",
                message=f"{model.provider} refused ({refusal.error.type}), going on with {fallback.provider}",
            )
        else:
            return
