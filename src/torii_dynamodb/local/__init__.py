"""DynamoDB engines on this machine, for development, the demo and tests."""

from torii_dynamodb.local.dynoxide import (
    DYNOXIDE_VERSION,
    Installation,
    dynoxide_package,
    find_dynoxide,
    install_dynoxide,
)
from torii_dynamodb.local.engines import EngineKind, LocalEngine, start_engine
from torii_dynamodb.local.errors import EngineError, EngineOptionError

__all__ = [
    "DYNOXIDE_VERSION",
    "EngineError",
    "EngineKind",
    "EngineOptionError",
    "Installation",
    "LocalEngine",
    "dynoxide_package",
    "find_dynoxide",
    "install_dynoxide",
    "start_engine",
]
