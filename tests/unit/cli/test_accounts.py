"""The demo's accounts: the built-in list, and a reader that no line can stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torii_dynamodb._rules.emails import normalise_email
from torii_dynamodb.cli.demo_accounts import Account, own_lines, read_accounts, read_lines
from torii_dynamodb.errors import ValidationError


def test_the_own_list_is_what_it_says() -> None:
    """300 lines: 280 people with valid passwords, ten in another spelling, ten malformed; the same in every run."""
    lines = own_lines()
    assert len(lines) == 300
    assert lines == own_lines()
    accounts, rejects = read_accounts(lines)
    addresses: list[str] = []
    unusable = len(rejects)
    for account in accounts:
        try:
            addresses.append(normalise_email(account.email).normalised)
        except ValidationError:
            unusable += 1
            continue
        if not 8 <= len(account.password) <= 128:
            unusable += 1
            addresses.pop()
    assert unusable == 10
    assert len(addresses) == 290
    assert len(set(addresses)) == 280


def test_the_own_list_is_international() -> None:
    """It has non-Latin names, IDNA domains, mixed case, and a user agent longer than what is stored."""
    accounts, _ = read_accounts(own_lines())
    assert sum(not (account.name or "").isascii() for account in accounts) > 150
    assert sum(not account.email.isascii() for account in accounts) > 80
    assert any(account.email != account.email.lower() for account in accounts)
    assert max(len(account.user_agent or "") for account in accounts) > 1024


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"email": "a@b.example"', "is not JSON"),
        ("[1]", "is a JSON list"),
        ("null", "is a JSON null"),
        ("7", "is a JSON number"),
        ("{}", "has no 'email'"),
        ('{"email": "a@b.example"}', "has no 'password'"),
        ('{"email": null, "password": "long enough"}', "email is a JSON null, not a string"),
        ('{"email": "a@b.example", "password": true}', "password is a JSON boolean, not a string"),
        ('{"email": "a@b.example", "password": "long enough", "name": []}', "name is a JSON list, not a string"),
        ('{"email": "a@b.example", "password": "\\ud800 lone"}', "contains a lone surrogate"),
        ("[" * 100_000, "is not"),
    ],
)
def test_a_malformed_line_is_told_by_number_and_stops_nothing(line: str, told: str) -> None:
    """Each kind of malformed line gets its reason, and the line after it is read."""
    good = json.dumps({"email": "ada@mail.example", "password": "correct horse"})
    accounts, rejects = read_accounts(["", line, good])
    assert [account.line for account in accounts] == [3]
    assert [reject.line for reject in rejects] == [2]
    assert rejects[0].reason.startswith(told)


@given(st.lists(st.one_of(st.text(), st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))))
def test_no_line_raises(lines: list[str]) -> None:
    """Any line is an account, a reject or empty."""
    accounts, rejects = read_accounts(lines)
    assert len(accounts) + len(rejects) <= len(lines)


def test_a_password_is_never_shown() -> None:
    """Neither an account's repr nor a reason contains the password."""
    account = Account(line=1, email="a@b.example", name=None, password="hush hush")
    assert "hush" not in repr(account)
    _, rejects = read_accounts(['{"password": "hush hush", "email": 1}', '{"password": "hush hush" "email"}'])
    assert len(rejects) == 2
    assert not any("hush" in reject.reason for reject in rejects)


def test_files_of_windows_are_read(tmp_path: Path) -> None:
    """A byte order mark and CR LF line ends are not part of the lines."""
    path = tmp_path / "accounts.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n{"b": 2}\r\n')
    assert read_lines(path) == ['{"a": 1}', '{"b": 2}']


def test_a_file_in_another_encoding_is_refused_with_the_place(tmp_path: Path) -> None:
    """Text that is not UTF-8 is reported with line and byte."""
    path = tmp_path / "accounts.jsonl"
    path.write_bytes(b'{"a": 1}\n{"name": "Ren\xe9"}\n')
    with pytest.raises(ValidationError, match=r"line 2 is not UTF-8 \(byte 0xe9\)"):
        read_lines(path)
