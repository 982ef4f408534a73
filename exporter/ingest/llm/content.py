"""Prompts, answers and secrets in what instrumented programs send.

Two of three dialects send prompts and answers without being asked. They are dropped at the door unless storing them was
switched on (`--llm-content store`); what looks like a secret is taken out even then, and out of error messages always.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from exporter.domain.spans import Attributes, Span, SpanEvent

STORE = "store"
DROP = "drop"
REMOVED = "[secret removed]"

_CONTENT = re.compile(
    r"^(?:gen_ai\.(?:input\.messages|output\.messages|system_instructions|tool\.definitions|prompt|completion"
    r"|tool\.call\.(?:arguments|result)|content\.|event\.content|retrieval\.documents|retrieval\.query)"
    r"|llm\.(?:input_messages|output_messages|prompts|completions|tools|prompt_template|function_call|choices)"
    r"|(?:input|output)\.value$|traceloop\.entity\.(?:input|output)|traceloop\.prompt\.template"
    r"|embedding\.(?:embeddings|text|vector)|retrieval\.documents|reranker\.(?:input|output)_documents|reranker\.query"
    r"|tool\.(?:parameters|json_schema)|tool_call\.function\.arguments|message\.content|document\.content"
    r"|(?:pydantic_ai\.)?all_messages|all_messages_events|final_result|events$|tool_arguments|tool_response"
    r"|(?:system|user|assistant|tool)\.message|request_data|response_data|prompt$|completion$|content$)"
)
_CONTENT_EVENT = re.compile(
    r"^gen_ai\.(?:content\.|choice|(?:system|user|assistant|tool)\.message|client\.inference)"
)

_SECRETS = re.compile(
    "|".join(
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            r"\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b",
            r"(?i:\b(?:aws_?)?secret_?(?:access_?)?key['\"]?\s*[:=]\s*['\"]?)[A-Za-z0-9/+=]{16,}",
            r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_\-]{16,}",
            r"\b(?:ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abprs])[-_][A-Za-z0-9_\-]{16,}",
            r"\bAIza[0-9A-Za-z_\-]{35}\b",
            r"\bhf_[A-Za-z0-9]{20,}\b",
            r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*",
            r"(?i:\b(?:bearer|basic)\s+)(?=[^\s]*[0-9=])[A-Za-z0-9._~+/\-]{8,}=*",
            (
                r"(?i:\b(?:api[-_ ]?key|x-api-key|auth[-_]?token|access[-_]?token|client[-_]?secret|passw(?:or)?d)"
                r"['\"\\]*\s*[:=]\s*['\"\\]*)[^\s'\"\\,;&}]{6,}"
            ),
            r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)",
        )
    )
)
_EMAIL = re.compile(r"\b[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}\b")


def without_secrets(text: str, *, emails: bool = False) -> str:
    """A text with what looks like a secret taken out; addresses of people too, if asked."""
    found = _SECRETS.sub(REMOVED, text)
    return _EMAIL.sub("[address removed]", found) if emails and "@" in found else found


def is_content(key: str) -> bool:
    """Whether an attribute holds what was said to or by a model."""
    return _CONTENT.match(key) is not None


def guarded(span: Span, *, store: bool, emails: bool = False) -> Span:
    """The span as it may be kept."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return without_secrets(value, emails=emails)
        if isinstance(value, list):
            return [clean(item) for item in value]
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items() if store or not is_content(key)}
        return value

    def kept(attributes: Attributes) -> Attributes:
        return {key: clean(value) for key, value in attributes.items() if store or not is_content(key)}

    return replace(
        span,
        name=without_secrets(span.name, emails=emails),
        message=without_secrets(span.message, emails=emails),
        attributes=kept(span.attributes),
        resource=kept(span.resource),
        events=[
            SpanEvent(
                event.time,
                event.name,
                {} if _CONTENT_EVENT.match(event.name) and not store else kept(event.attributes),
            )
            for event in span.events
        ],
    )
