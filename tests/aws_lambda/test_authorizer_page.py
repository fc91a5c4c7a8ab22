"""What "On Lambda" says about authorizers: its program runs, and its templates are valid and cache nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.aws_lambda.authorizer_formats import FORMATS, Asked
from tests.docs import blocks

from torii_dynamodb import DynamoDbStorage, NewUser, Torii
from torii_dynamodb.aws_lambda import Unauthorized
from torii_dynamodb.local import LocalEngine

_HEAD = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  TablePrefix:
    Type: String
    Default: torii
Resources:
"""


def shown(language: str) -> list[str]:
    """The code of the sections about authorizers."""
    return [
        block.code
        for section in ("Authorizers", "JWT authorizers")
        for block in blocks.blocks("docs/lambda.md", language, section=section)
    ]


def test_the_program_runs(dynoxide: LocalEngine, table_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block is a whole function: it lets the holder of a session through, and nobody else."""
    with DynamoDbStorage.open(dynoxide.config(table_prefix=table_prefix)) as storage:
        user = storage.create_user(NewUser(email="ada@example.com"))
        session = Torii(storage).create_session(user)
    for name, value in dynoxide.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TABLE_PREFIX", table_prefix)
    program: dict[str, Any] = {"__name__": "authorizer"}
    exec(compile(shown("python")[0], "authorizer.py", "exec"), program)
    try:
        event = FORMATS["REST TOKEN"].event
        answer = program["handler"](event(Asked(headers={"Authorization": f"Bearer {session.token}"})), None)
        assert answer["principalId"] == user.id
        with pytest.raises(Unauthorized):
            program["handler"](event(Asked(headers={"Authorization": "Bearer x"})), None)
    finally:
        program["storage"].close()


def test_the_templates_are_valid(tmp_path: Path) -> None:
    """cfn-lint has nothing to say about the page's resources. Every authorizer has a TTL of 0."""
    resources = "".join(block for block in shown("yaml") if re.match(r"\w+:\n  Type: ", block))
    text = _HEAD + "".join(f"  {line}" for line in resources.splitlines(keepends=True))
    assert text.count("ReauthorizeEvery: 0") == text.count("FunctionArn:") == 2
    assert text.count("AuthorizerResultTtlInSeconds: 0") == text.count("LambdaAuthorizerConfig:") == 1
    template = tmp_path / "template.yaml"
    template.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from cfnlint.runner import main; sys.exit(main())",
            "--regions",
            "eu-central-1",
            "--",
            str(template),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
