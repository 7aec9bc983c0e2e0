"""Places of a span that text can stand in, and forms that it can take: what a canary is planted with."""

import base64
import gzip
import json
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from helpers.canaries import Canary

Attributes = dict[str, Any]
LEVELS = 4


def nested(text: str, levels: int) -> str:
    """The text in JSON inside a string, so many times."""
    for level in range(levels):
        text = json.dumps({"note": text, "level": level})
    return text


def pieces(text: str, size: int = 4) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def message(text: Any, **more: Any) -> Attributes:
    return {"role": "user", "content": text, **more}


PLACES: dict[str, Callable[[str], Attributes]] = {
    "input value": lambda text: {"input": {"value": text}},
    "output value": lambda text: {"output": {"value": text}},
    "message": lambda text: {"input": {"messages": [message("hello"), message(text)]}},
    "message of parts": lambda text: {"output": {"messages": [message([{"type": "text", "text": text}])]}},
    "tool arguments": lambda text: {"output": {"messages": [message("", tool_calls=[{"arguments": {"q": text}}])]}},
    "tool arguments as JSON": lambda text: {
        "output": {"messages": [message("", tool_calls=[{"name": "find", "arguments": json.dumps({"q": [text]})}])]}
    },
    "name of a tool": lambda text: {"output": {"messages": [message("", tool_calls=[{"name": text}])]}},
    "tool result": lambda text: {"input": {"messages": [message("", tool_results=[{"result": text}])]}},
    "tool result as JSON": lambda text: {
        "input": {"messages": [message("", tool_results=[{"result": json.dumps({"rows": [{"c": text}]})}])]}
    },
    "document": lambda text: {"output": {"documents": [{"text": text, "score": 0.5}]}},
    "name of a document": lambda text: {"input": {"documents": [{"text": "x", "name": text}]}},
    "prompt": lambda text: {"input": {"prompt": {"template": "say {x}", "variables": {"x": text}}}},
    "parameters": lambda text: {"input": {"parameters": {"temperature": 0.1, "suffix": text}}},
    "metadata": lambda text: {"metadata": {"note": text}},
    "deep metadata": lambda text: {"metadata": {"a": {"b": [{"c": {"d": [text]}}]}}},
    "a known key of metadata": lambda text: {"metadata": {"temperature": text, "model": text, "finish_reason": text}},
    "a tag": lambda text: {"tags": [f"note:{text}"]},
    "a tag without a key": lambda text: {"tags": [text]},
    "a known tag": lambda text: {"tags": [f"env:{text}", f"version:{text}"]},
    "tags as an object": lambda text: {"tags": {"note": text}},
    "key of a tag": lambda text: {"tags": [f"{text}:x"]},
    "name": lambda text: {"name": text},
    "app": lambda text: {"ml_app": text},
    "service": lambda text: {"tags": [f"service:{text}"]},
    "model": lambda text: {"model_name": text, "model_provider": text},
    "kind": lambda text: {"span_kind": text},
    "error message": lambda text: {"error": {"type": "ValueError", "message": text}},
    "error stack": lambda text: {
        "error": {"stack": f'Traceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: {text}\n'}
    },
    "error type": lambda text: {"error": {"type": text}},
    "error in meta": lambda text: {"meta": {"error": {"message": text}}},
    "annotated error": lambda text: {"metadata": {"error_message": text, "error_type": text}},
    "reasoning": lambda text: {"evaluation": {"judge": {"assessment": "fail", "reasoning": text}}},
    "value of an evaluation": lambda text: {"evaluation": {"judge": {"assessment": "fail", "value": text}}},
    "tags of an evaluation": lambda text: {"evaluation": {"judge": {"assessment": "fail", "tags": [f"note:{text}"]}}},
    "metadata of an evaluation": lambda text: {
        "evaluation": {"judge": {"assessment": "fail", "metadata": {"n": text}}}
    },
    "assessment": lambda text: {"evaluation": {"judge": {"assessment": text, "status": text}}},
    "name of an evaluator": lambda text: {"evaluation": {text: {"assessment": "fail", "value": 0.1}}},
    "definition of a tool": lambda text: {"tool_definitions": [{"name": "f", "description": text}]},
    "schema of a tool": lambda text: {"tool_definitions": [{"schema": {"properties": {"x": {"default": text}}}}]},
    "intent": lambda text: {"intent": text},
    "link to a span": lambda text: {"span_links": [{"attributes": {"note": text}}]},
    "inside of Datadog's own": lambda text: {"_dd": {"note": text}},
    "an unknown field": lambda text: {"my_field": {"x": [text]}},
    "key of metadata": lambda text: {"metadata": {text: "x"}},
    "key inside JSON": lambda text: {"input": {"value": json.dumps({text: 1})}},
    "metrics": lambda text: {"metrics": {"input_tokens": text, text: 3}},
    "headers": lambda text: {"metadata": {"headers": [["x-note", text], {"name": "x-other", "value": text}]}},
    "times": lambda text: {"start_ns": text, "duration": text},
    "parent": lambda text: {"parent_id": text},
    "session": lambda text: {"session_id": text},
    "user": lambda text: {"metadata": {"user_id": text}},
}
"""Where plain words stand; each gives the attributes that hold them."""

FORMS: dict[str, Callable[[Canary], Attributes]] = {
    "stream": lambda one: {"output": {"value": pieces(one.said)}},
    "stream of deltas": lambda one: {
        "output": {"value": [{"choices": [{"delta": {"content": piece}}]} for piece in pieces(one.said, 3)]}
    },
    "stream of arguments": lambda one: {
        "output": {"messages": [{"tool_calls": [{"function": {"arguments": piece}} for piece in pieces(one.said, 5)]}]}
    },
    "Base64": lambda one: {"input": {"value": f"look: {base64.b64encode(one.said.encode()).decode()} done"}},
    "Base64 for URLs": lambda one: {
        "metadata": {"state": base64.urlsafe_b64encode(one.said.encode()).decode().rstrip("=")}
    },
    "Base64 of gzip": lambda one: {
        "input": {"value": base64.b64encode(gzip.compress(one.said.encode() * 3, mtime=0)).decode()}
    },
    "data URL": lambda one: {
        "input": {"value": f"see data:text/plain;base64,{base64.b64encode(one.said.encode()).decode()}"}
    },
    "hex": lambda one: {"input": {"value": f"dump {one.said.encode().hex()} end"}},
    **{
        f"JSON inside {levels} strings": lambda one, levels=levels: {"input": {"value": nested(one.said, levels)}}
        for levels in range(1, LEVELS + 1)
    },
    "JSON inside more strings": lambda one: {"input": {"value": nested(one.said, LEVELS + 2)}},
    "JSON that is cut": lambda one: {"output": {"value": nested(one.said, 1)[:-3]}},
    "query of a URL": lambda one: {"input": {"value": f"GET https://x.example/find?q={quote(one.said)}&n=2 200"}},
    "form": lambda one: {"input": {"value": f"a=1&note={quote_plus(one.said)}&b=2"}},
    "percent": lambda one: {"input": {"value": one.said.replace(one.value, quote(one.value, safe=""))}},
    "percent throughout": lambda one: {
        "input": {"value": one.said.replace(one.value, "".join(f"%{byte:02X}" for byte in one.value.encode()))}
    },
    "percent twice": lambda one: {
        "input": {"value": one.said.replace(one.value, quote(quote(one.value, safe=""), safe=""))}
    },
    "HTML": lambda one: {"input": {"value": escape(one.said.replace("@", "&#64;"))}},
    "HTML throughout": lambda one: {
        "input": {"value": one.said.replace(one.value, "".join(f"&#{ord(letter)};" for letter in one.value))}
    },
    "escapes": lambda one: {
        "input": {"value": one.said.replace(one.value, "".join(f"\\u{ord(letter):04x}" for letter in one.value))}
    },
    "serialised": lambda one: {"error": {"message": "body: " + json.dumps({"x": one.said})}},
    "zero width": lambda one: {"input": {"value": one.said.replace(one.value, "\u200b".join(pieces(one.value, 3)))}},
    "fullwidth": lambda one: {
        "input": {
            "value": one.said.replace(
                one.value,
                "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in one.value),
            )
        }
    },
    "soft hyphens": lambda one: {"input": {"value": one.said.replace(one.value, "\u00ad".join(pieces(one.value, 5)))}},
    "colours": lambda one: {"input": {"value": one.said.replace(one.value, f"\x1b[31m{one.value}\x1b[0m")}},
    "no-break spaces": lambda one: {"input": {"value": one.said.replace(" ", "\u00a0")}},
    "among other letters": lambda one: {"input": {"value": f"请看{one.said}。谢谢"}},
}
"""What else can be done to a text before it comes to a span."""
