"""A writer of the server's options into the schema of the chart's values, from the settings:

python -m deploy.chart_options
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pipeline.cli.settings import ServeSettings

PATH = Path(__file__).with_name("helm") / "values.schema.json"

OWN = frozenset(
    {
        "agent_port",
        "allow_no_key",
        "api_keys_file",
        "config",
        "host",
        "models",
        "port",
        "shutdown_grace_s",
        "tls_certificate",
        "tls_key",
        "trusted_proxies",
        "uploads",
        "voices",
        "wyoming_announce",
        "wyoming_port",
    }
)
"""Options that are not under ``options``: the chart sets them by values of their own, or they are
as the image has them. TLS ends before the pods, whose probes speak none."""

KEPT = (
    "type",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "items",
)
"""What of pydantic's schemas Helm understands."""


def render(schema: str) -> str:
    """The schema with its options written anew."""
    tree = json.loads(schema)
    tree["properties"]["options"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": options(),
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def options() -> dict[str, Any]:
    """The schema of each option, by its name."""
    fields = ServeSettings.model_json_schema()["properties"]
    return {
        name: {"description": field["description"], **_form(field)}
        for name, field in fields.items()
        if name not in OWN
    }


def _form(field: dict[str, Any]) -> dict[str, Any]:
    """What a value must be. Where none is meant the option is left out, so there is no null."""
    [form] = [each for each in field.get("anyOf", [field]) if each.get("type") != "null"]
    return {word: form[word] for word in KEPT if word in form}


if __name__ == "__main__":
    PATH.write_text(render(PATH.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"wrote {PATH}\n")
