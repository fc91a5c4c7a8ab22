"""The application's secret is rotated: what is sealed under the old one is sealed anew, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.admin.test_iam_roles import listening, of_dynamodb
from typer.testing import CliRunner

from torii_dynamodb import DynamoDbConfig, DynamoDbStorage, NewOAuthAccount, NewUser
from torii_dynamodb._rules import provider_tokens, totp
from torii_dynamodb._rules.app_secret import secret_keys
from torii_dynamodb._rules.provider_tokens import KeptTokens
from torii_dynamodb._rules.recovery_codes import RecoveryCodes
from torii_dynamodb._sync.client import Client
from torii_dynamodb._sync.storage.handle import DynamoDbHandle
from torii_dynamodb.admin.iam import policy
from torii_dynamodb.admin.resealing import ResealReport, reseal
from torii_dynamodb.admin.verify import verify
from torii_dynamodb.cli.app import app
from torii_dynamodb.clock import system_random
from torii_dynamodb.errors import ConfigurationError, Unavailable
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.models import NewFactor
from torii_dynamodb.secret_box import AesGcmBox

OLD, NEW, OTHER = "old-" + "o" * 40, "new-" + "n" * 40, "other-" + "x" * 40
TOKENS = KeptTokens(access_token="access-hush", refresh_token="refresh-hush")


@pytest.fixture
def storage(on_dynoxide: DynamoDbConfig) -> Any:
    """The tables, open."""
    with DynamoDbStorage.open(on_dynoxide) as handle:
        yield handle


def seed_of(user_id: str) -> bytes:
    return user_id.encode().ljust(20, b".")


def someone(storage: DynamoDbHandle, name: str, *secrets: str) -> str:
    """A user with an authenticator app, recovery codes and an account with tokens, all under the first secret."""
    box = AesGcmBox(list(secrets), tenant=storage.tenant_name)
    user = storage.create_user(NewUser(id=name, email=f"{name}@example.com"))
    sealed = box.seal(seed_of(name), associated=totp.associated(name, "app"))
    storage.add_factor(NewFactor(user_id=name, id="app", secret=sealed, last_step=7, name="Phone"))
    codes = RecoveryCodes(secret_keys(list(secrets), tenant=storage.tenant_name), random=system_random)
    made = codes.make()
    storage.set_recovery_codes(name, [codes.mark(name, code) for code in made])
    kept = box.seal(TOKENS.dump(), associated=provider_tokens.associated("github", name))
    storage.link_oauth_account(
        user.id, NewOAuthAccount(provider="github", subject=name, tokens=provider_tokens.stored(kept))
    )
    # An account of an application that keeps something of its own.
    storage.link_oauth_account(user.id, NewOAuthAccount(provider="google", subject=name, tokens={"mine": 1}))
    return made[0]


def opens(storage: DynamoDbHandle, name: str, *secrets: str) -> tuple[bytes, KeptTokens]:
    """What is sealed for a user."""
    box = AesGcmBox(list(secrets), tenant=storage.tenant_name)
    [_, app] = storage.list_factors_for_user(name)
    assert app.secret is not None
    assert app.last_step == 7
    account = storage.get_oauth_account_by_provider_and_subject("github", name)
    assert account is not None
    sealed = provider_tokens.sealed_of(account)
    assert sealed is not None
    return (
        box.open(app.secret, associated=totp.associated(name, "app")),
        KeptTokens.load(box.open(sealed, associated=provider_tokens.associated("github", name))),
    )


def counts(done: ResealReport) -> tuple[int, int, int]:
    return (done.seeds, done.tokens, done.current)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_everything_opens_under_the_new_secret_alone(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, storage: DynamoDbHandle
) -> None:
    """A dry run changes nothing; a run seals all anew; a second one finds nothing to do; recovery codes are counted."""
    code = someone(storage, "ada", OLD)
    someone(storage, "grace", NEW, OLD)
    planned = reseal(on_dynoxide, dynoxide_client, [NEW, OLD], dry_run=True)
    assert counts(planned) == (1, 1, 2)
    opens(storage, "ada", OLD)
    done = reseal(on_dynoxide, dynoxide_client, [NEW, OLD])
    assert (counts(done), done.ok) == ((1, 1, 2), True)
    for name in ("ada", "grace"):
        assert opens(storage, name, NEW) == (seed_of(name), TOKENS)
    assert counts(reseal(on_dynoxide, dynoxide_client, [NEW, OLD])) == (0, 0, 4)
    assert (done.old_recovery_codes, done.users_with_old_recovery_codes) == (10, ("ada",))
    codes = RecoveryCodes(secret_keys([NEW, OLD]), random=system_random)
    assert any(storage.use_recovery_code("ada", mark) for mark in codes.candidates("ada", code))
    assert reseal(on_dynoxide, dynoxide_client, [NEW]).old_recovery_codes == 9
    account = storage.get_oauth_account_by_provider_and_subject("google", "ada")
    assert account is not None
    assert account.tokens == {"mine": 1}
    assert verify(on_dynoxide, dynoxide_client).ok
    assert "hush" not in repr(done)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_tenants_are_sealed_anew_under_their_own_keys(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, storage: DynamoDbHandle
) -> None:
    """Users with the same id in two tenants and in none; what is left of a tenant is named with it."""
    handles = [storage, storage.tenant("acme"), storage.tenant("other")]
    for handle in handles:
        someone(handle, "ada", OLD)
    someone(storage.tenant("acme"), "grace", OTHER)
    done = reseal(on_dynoxide, dynoxide_client, [NEW, OLD])
    assert counts(done) == (3, 3, 0)
    for handle in handles:
        assert opens(handle, "ada", NEW) == (seed_of("ada"), TOKENS)
    assert sorted(done.unopened) == ["@acme#factor#grace#totp#app", "@acme#oauth#github#grace"]
    own = reseal(on_dynoxide, dynoxide_client, [OLD, OTHER, NEW], tenant="acme")
    assert (counts(own), own.ok) == ((2, 2, 0), True)
    assert opens(handles[1], "grace", OLD) == (seed_of("grace"), TOKENS)
    assert opens(handles[2], "ada", NEW) == (seed_of("ada"), TOKENS)
    assert sorted(done.users_with_old_recovery_codes) == ["@acme#ada", "@acme#grace", "@other#ada", "ada"]


def test_what_no_secret_opens_is_told_and_left(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, storage: DynamoDbHandle
) -> None:
    """With the wrong secret, each item is named and unchanged, and the others are sealed anew all the same."""
    someone(storage, "ada", OLD)
    someone(storage, "grace", OTHER)
    done = reseal(on_dynoxide, dynoxide_client, [NEW, OLD])
    assert not done.ok
    assert sorted(done.unopened) == ["factor#grace#totp#app", "oauth#github#grace"]
    assert opens(storage, "ada", NEW) == (seed_of("ada"), TOKENS)
    assert opens(storage, "grace", OTHER) == (seed_of("grace"), TOKENS)


class Interfering(Client):
    """A client before whose first update somebody does something else."""

    act: Callable[[], object] | None = None

    def call(self, operation: str, payload: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Do it, then the update."""
        if operation == "UpdateItem" and self.act is not None:
            act, self.act = self.act, None
            act()
        return super().call(operation, payload, **options)


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_what_changes_meanwhile_is_read_again(on_dynoxide: DynamoDbConfig, storage: DynamoDbHandle) -> None:
    """A person who uses the app meanwhile disturbs nothing; fresh tokens and a removed app are not overwritten."""
    someone(storage, "ada", OLD)
    client = Interfering(on_dynoxide)
    client.act = lambda: storage.accept_totp_step("ada", "app", 8)
    pauses: list[float] = []
    try:
        done = reseal(on_dynoxide, client, [NEW, OLD], pause=pauses.append)
        assert (counts(done), pauses) == ((1, 1, 0), [])
        someone(storage, "grace", OLD)

        def remove() -> None:
            storage.remove_factor("grace", "app")
            fresh = AesGcmBox([OLD]).seal(b"{}", associated=provider_tokens.associated("github", "grace"))
            storage.update_oauth_account("grace", "github", "grace", tokens=provider_tokens.stored(fresh))

        client.act = remove
        again = reseal(on_dynoxide, client, [NEW, OLD], pause=pauses.append)
        assert again.tokens == 1
        assert again.ok
        assert storage.list_factors_for_user("grace") == []
        account = storage.get_oauth_account_by_provider_and_subject("github", "grace")
        assert account is not None
        sealed = provider_tokens.sealed_of(account)
        assert sealed is not None
        place = provider_tokens.associated("github", "grace")
        assert AesGcmBox([NEW]).open(sealed, associated=place) == b"{}"
    finally:
        client.close()


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_tokens_that_are_being_refreshed_are_waited_for(
    on_dynoxide: DynamoDbConfig, dynoxide_client: Client, storage: DynamoDbHandle
) -> None:
    """Who holds the lease stores over what it read: the tokens are left to it, and sealed anew afterwards."""
    someone(storage, "ada", OLD)
    account = storage.get_oauth_account_by_provider_and_subject("github", "ada")
    assert account is not None
    leased = provider_tokens.leased(account.tokens, "lease", datetime.now(UTC) + timedelta(hours=1))
    held = storage.update_oauth_account("ada", "github", "ada", tokens=leased)
    assert held is not None
    with pytest.raises(Unavailable, match="oauth#github#ada"):
        reseal(on_dynoxide, dynoxide_client, [NEW, OLD], pause=lambda _: None)
    stored = storage.get_oauth_account_by_provider_and_subject("github", "ada")
    assert stored is not None
    assert stored.tokens == held.tokens

    def finish(_: float) -> None:
        storage.update_oauth_account("ada", "github", "ada", tokens=account.tokens)

    reseal(on_dynoxide, dynoxide_client, [NEW, OLD], pause=finish)
    assert opens(storage, "ada", NEW) == (seed_of("ada"), TOKENS)


def test_a_short_secret_is_refused(on_dynoxide: DynamoDbConfig, dynoxide_client: Client) -> None:
    """Before any request, with a message that does not show it."""
    with pytest.raises(ConfigurationError) as refused:
        reseal(on_dynoxide, dynoxide_client, [NEW, "too short"])
    assert "too short" not in str(refused.value)


def test_the_migrate_policy_is_enough(
    on_dynoxide: DynamoDbConfig,
    dynoxide_client: Client,
    storage: DynamoDbHandle,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sealing anew needs nothing that the role ``migrate`` is not granted."""
    someone(storage, "ada", OLD)
    with listening(monkeypatch) as needs:
        reseal(on_dynoxide, dynoxide_client, [NEW, OLD])
    assert needs <= of_dynamodb(policy("migrate", on_dynoxide))
    assert ("dynamodb:UpdateItem", on_dynoxide.table_name("identities")) in needs


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_the_command_takes_secrets_from_variables_and_files(
    dynoxide: LocalEngine, on_dynoxide: DynamoDbConfig, storage: DynamoDbHandle, tmp_path: Path
) -> None:
    """Planned, done, and told; no output contains a secret, and a secret as an argument is refused unseen."""
    someone(storage, "ada", OLD)
    (tmp_path / "new").write_text(NEW + "\n")
    environment = {
        **dynoxide.environment,
        "TORII_TABLE_PREFIX": on_dynoxide.table_prefix,
        "TORII_LAYOUT": on_dynoxide.layout,
        "OLD_SECRET": OLD,
        "COLUMNS": "300",
    }

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["secrets", "reseal", *arguments], env=environment)
        assert done.exit_code == code, done.output
        for secret in (OLD, NEW, "hush"):
            assert secret not in done.output
        return done.output

    sources = ("--secret", f"file:{tmp_path / 'new'}", "--secret", "env:OLD_SECRET")
    assert "Would seal 1 seed of" in run(*sources, "--dry-run")
    told = json.loads(run(*sources, "--json"))
    assert (told["ok"], told["report"]["seeds"], told["report"]["tokens"]) == (True, 1, 1)
    assert told["report"]["users_with_old_recovery_codes"] == ["ada"]
    assert "keep it until these users have new codes" in run(*sources)
    assert "factor#ada#totp#app" in run("--secret", "env:OLD_SECRET", code=1)
    assert "never the secret itself" in run("--secret", OLD, code=2)
    assert "no environment variable" in run("--secret", "env:NONE_SUCH", code=2)
    assert "cannot be read" in run("--secret", f"file:{tmp_path / 'none'}", code=2)
    assert "at least 32 random bytes" in run("--secret", "env:COLUMNS", code=2)
