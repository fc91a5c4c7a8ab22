"""``python -m torii_dynamodb.cli``."""

from __future__ import annotations

from torii_dynamodb.cli import main

main()
