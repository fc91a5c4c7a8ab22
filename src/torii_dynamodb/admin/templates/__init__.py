"""Infrastructure as code, from the schema and the chosen options: CloudFormation, SAM, CDK and Terraform, as JSON.

Pure and deterministic: the same configuration and options result in the same text, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.templates.application import application
from torii_dynamodb.admin.templates.cloudformation import cdk_json, cloudformation, sam
from torii_dynamodb.admin.templates.terraform import terraform
from torii_dynamodb.config import DynamoDbConfig

__all__ = [
    "KINDS",
    "TemplateKind",
    "application",
    "cdk_json",
    "cloudformation",
    "render",
    "sam",
    "template",
    "terraform",
]

TemplateKind = Literal["cloudformation", "sam", "terraform", "cdk-json", "application"]

KINDS: Final[tuple[TemplateKind, ...]] = get_args(TemplateKind)

_MAKERS: Final[Mapping[TemplateKind, Callable[[DynamoDbConfig, TableOptions], dict[str, Any]]]] = MappingProxyType(
    {
        "cloudformation": cloudformation,
        "sam": sam,
        "terraform": terraform,
        "cdk-json": cdk_json,
        "application": application,
    }
)


def template(kind: TemplateKind, config: DynamoDbConfig, options: TableOptions | None = None) -> dict[str, Any]:
    """The template of one kind, as plain values.

    Args:
        kind: Which tool it is for.
        config: Names the tables.
        options: The tables' options; what is not managed has DynamoDB's defaults.
    """
    chosen = options or TableOptions()
    chosen.require_layout(config)
    return _MAKERS[kind](config, chosen)


def render(document: Mapping[str, Any]) -> str:
    """The template's text: indented JSON, ending in a newline."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
