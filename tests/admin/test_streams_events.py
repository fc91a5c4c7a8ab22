"""Stream records as AWS documents them, and the events made of them. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb._core.layout import layout_of
from torii_dynamodb._rules.times import epoch_seconds
from torii_dynamodb.admin.streams import (
    EVENT_TYPES,
    Handlers,
    StreamEmailChanged,
    StreamEmailVerified,
    StreamEvent,
    StreamIdentityLinked,
    StreamIdentityUnlinked,
    StreamPasswordChanged,
    StreamRecoveryCodesReplaced,
    StreamSecondFactorAdded,
    StreamSecondFactorRemoved,
    StreamSecondFactorUsed,
    StreamSessionCreated,
    StreamSessionExpired,
    StreamSessionRefreshed,
    StreamSessionRevoked,
    StreamSessionsRevoked,
    StreamTokenConsumed,
    StreamUserCreated,
    StreamUserDeleted,
    StreamUserLocked,
    StreamUserUnlocked,
    StreamUserUpdated,
    decode,
    lambda_handler,
    table_of,
    to_dict,
)
from torii_dynamodb.admin.streams.consumer import readable_shards
from torii_dynamodb.config import TableName
from torii_dynamodb.errors import ConfigurationError, CorruptItem

AT = datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)
LATER = "2026-11-22T15:04:05.000000Z"
DIGEST = "d" * 64
CONFIG = DynamoDbConfig(region="eu-central-1", table_prefix="torii")

USER: dict[str, Any] = {
    "id": {"S": "usr_1"},
    "email": {"S": "ada@example.com"},
    "email_as_given": {"S": "Ada@Example.com"},
    "created_at": {"S": LATER},
    "updated_at": {"S": LATER},
    "version": {"N": "1"},
    "session_epoch": {"N": "41"},
    "identities": {"SS": ["email#ada@example.com"]},
    "schema_version": {"N": "1"},
}
SESSION: dict[str, Any] = {
    "id": {"S": DIGEST},
    "user_id": {"S": "usr_1"},
    "created_at": {"S": LATER},
    "expires_at": {"N": str(epoch_seconds(AT) + 3600)},
    "epoch": {"N": "41"},
    "user_agent": {"S": "Firefox"},
    "ip_address": {"S": "192.0.2.1"},
}
OAUTH: dict[str, Any] = {
    "id": {"S": "oauth#google#a#b"},
    "user_id": {"S": "usr_1"},
    "tokens": {"M": {"access": {"S": "hush"}}},
}
PASSKEY: dict[str, Any] = {
    "id": {"S": "passkey#" + DIGEST},
    "user_id": {"S": "usr_1"},
    "name": {"S": "Key"},
    "public_key": {"B": "aHVzaA=="},
}
APP: dict[str, Any] = {
    "id": {"S": "factor#usr_1#totp#app"},
    "user_id": {"S": "usr_1"},
    "kind": {"S": "totp"},
    "name": {"S": "Phone"},
    "created_at": {"S": LATER},
    "secret": {"B": "aHVzaA=="},
    "last_step": {"N": "100"},
}
RECOVERY: dict[str, Any] = {
    "id": {"S": "factor#usr_1#recovery"},
    "user_id": {"S": "usr_1"},
    "kind": {"S": "recovery"},
    "name": {"S": "Recovery codes"},
    "created_at": {"S": LATER},
    "codes": {"SS": ["hush-1", "hush-2"]},
}
CODE: dict[str, Any] = {
    "id": {"S": "code#" + DIGEST},
    "purpose": {"S": "magic_link"},
    "user_id": {"S": "usr_1"},
    "email": {"S": "ada@example.com"},
    "mark": {"S": "hush"},
}
TOKEN: dict[str, Any] = {
    "id": {"S": "password_reset#" + DIGEST},
    "purpose": {"S": "password_reset"},
    "user_id": {"S": "usr_1"},
    "email": {"S": "ada@example.com"},
}
TTL = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def record(
    table: TableName, old: dict[str, Any] | None, new: dict[str, Any] | None, *, number: str = "100", **more: Any
) -> dict[str, Any]:
    """A record as Lambda delivers it (AWS Lambda Developer Guide, "Using Lambda with DynamoDB")."""
    images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
    return {
        "eventID": "7de3041dd709b024af6f29e4fa13d34c",
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1",
        "dynamodb": {
            "ApproximateCreationDateTime": float(epoch_seconds(AT)),
            "Keys": {"id": (old or new or {}).get("id")},
            **images,
            "SequenceNumber": number,
            "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": f"arn:aws:dynamodb:eu-central-1:123456789012:table/torii_{table}/stream/2026-11-22T00",
        **more,
    }


def events(table: TableName, old: dict[str, Any] | None, new: dict[str, Any] | None, **more: Any) -> list[StreamEvent]:
    return list(decode(record(table, old, new, **more), table))


def the_one(made: list[StreamEvent], kind: type[StreamEvent]) -> Any:
    assert [type(event) for event in made] == [kind]
    return made[0]


def with_(item: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    return {**item, **changes}


def test_a_new_user_is_told() -> None:
    """A new user's event has the address, the name and the other facts, with ID and time."""
    made = the_one(
        events("users", None, with_(USER, name={"S": "Ada"}, password_version={"S": "v1"})), StreamUserCreated
    )
    assert made == StreamUserCreated(
        id="users:7de3041dd709b024af6f29e4fa13d34c:user.created",
        at=AT,
        user_id="usr_1",
        email="ada@example.com",
        name="Ada",
        email_verified=False,
        has_password=True,
    )


def test_a_deleted_user_is_told() -> None:
    """A deleted user's event names the address, which is free again."""
    assert the_one(events("users", USER, None), StreamUserDeleted).email == "ada@example.com"


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"name": {"S": "Ada"}}, StreamUserUpdated),
        ({"metadata": {"M": {"a": {"S": "b"}}}}, StreamUserUpdated),
        ({"email": {"S": "new@example.com"}, "email_as_given": {"S": "new@example.com"}}, StreamEmailChanged),
        ({"email_verified_at": {"S": LATER}}, StreamEmailVerified),
        ({"password_version": {"S": "v1"}}, StreamPasswordChanged),
        ({"locked_at": {"S": LATER}}, StreamUserLocked),
        ({"session_epoch": {"N": "42"}, "epoch_write_1": {"S": "x"}}, StreamSessionsRevoked),
    ],
)
def test_each_change_of_a_user_has_its_event(change: dict[str, Any], kind: type[StreamEvent]) -> None:
    """Every change of a user that matters to others has exactly one event."""
    made = the_one(events("users", USER, with_(USER, version={"N": "2"}, **change)), kind)
    assert made.user_id == "usr_1"


def test_a_lock_that_is_lifted_is_told() -> None:
    """Unlocking is an event of its own."""
    the_one(events("users", with_(USER, locked_at={"S": LATER}), USER), StreamUserUnlocked)


def test_the_kinds_of_a_password_change_are_told_apart() -> None:
    """Set, changed and removed differ."""
    one, two = with_(USER, password_version={"S": "v1"}), with_(USER, password_version={"S": "v2"})
    kinds = [
        the_one(events("users", *pair), StreamPasswordChanged).change for pair in ((USER, one), (one, two), (two, USER))
    ]
    assert kinds == ["set", "changed", "removed"]


def test_a_reset_is_told_in_order() -> None:
    """One write can mean several events: a first reset proves the address, sets a password and ends all sessions."""
    after = with_(USER, email_verified_at={"S": LATER}, password_version={"S": "v"}, session_epoch={"N": "42"})
    made = events("users", USER, after)
    assert [type(event) for event in made] == [StreamEmailVerified, StreamPasswordChanged, StreamSessionsRevoked]
    assert len({event.id for event in made}) == 3


def test_a_life_of_second_factors_is_told() -> None:
    """Set up, used, replaced and removed: each has its event, which says what it is of and contains no secret."""
    used_app = with_(APP, last_step={"N": "101"}, last_used_at={"S": LATER}, used_by_1={"S": "x"})
    used_code = with_(RECOVERY, codes={"SS": ["hush-2"]}, last_used_at={"S": LATER}, used_by_1={"S": "x"})
    no_code = {name: value for name, value in used_code.items() if name != "codes"}
    passkeys = with_(USER, factors={"SS": ["passkey"]})
    made = [
        the_one(events("identities", None, APP), StreamSecondFactorAdded),
        the_one(events("identities", None, RECOVERY), StreamRecoveryCodesReplaced),
        the_one(events("users", USER, passkeys), StreamSecondFactorAdded),
        the_one(events("identities", APP, used_app), StreamSecondFactorUsed),
        the_one(events("identities", RECOVERY, used_code), StreamSecondFactorUsed),
        the_one(events("identities", used_code, no_code), StreamSecondFactorUsed),
        the_one(events("identities", used_code, RECOVERY), StreamRecoveryCodesReplaced),
        the_one(events("users", passkeys, USER), StreamSecondFactorRemoved),
        the_one(events("identities", APP, None), StreamSecondFactorRemoved),
        the_one(events("identities", RECOVERY, None), StreamSecondFactorRemoved),
    ]
    facts = [
        (event.type, *(getattr(event, name, None) for name in ("kind", "factor_id", "name", "codes_left")))
        for event in made
    ]
    assert facts == [
        ("second_factor.added", "totp", "app", "Phone", None),
        ("recovery_codes.replaced", None, None, None, None),
        ("second_factor.added", "passkey", None, None, None),
        ("second_factor.used", "totp", "app", None, None),
        ("second_factor.used", "recovery", None, None, 1),
        ("second_factor.used", "recovery", None, None, 0),
        ("recovery_codes.replaced", None, None, None, None),
        ("second_factor.removed", "passkey", None, None, None),
        ("second_factor.removed", "totp", "app", "Phone", None),
        ("second_factor.removed", "recovery", None, None, None),
    ]
    assert {event.user_id for event in made} == {"usr_1"}
    assert "hush" not in json.dumps([to_dict(event) for event in made])
    assert "aHVzaA" not in json.dumps([to_dict(event) for event in made])


def test_a_mailed_code_is_consumed_by_the_right_try() -> None:
    """The right code, after a wrong one, is told once, with the purpose that the code was for."""
    wrong = with_(CODE, tries={"L": [{"S": "1.other"}]})
    made = the_one(
        events("tokens", wrong, with_(CODE, tries={"L": [{"S": "1.other"}, {"S": "2.hush"}]})), StreamTokenConsumed
    )
    assert (made.purpose, made.email, made.user_id) == ("magic_link", "ada@example.com", "usr_1")
    assert DIGEST not in made.ref


@pytest.mark.parametrize(
    ("table", "old", "new"),
    [
        ("users", USER, USER),
        ("users", USER, with_(USER, version={"N": "2"}, updated_at={"S": "2026-11-22T15:04:06.000000Z"})),
        ("users", with_(USER, identities={"SS": ["a", "b"]}), with_(USER, identities={"SS": ["b", "a"]})),
        ("users", USER, with_(USER, schema_version={"N": "2"})),
        ("sessions", SESSION, SESSION),
        ("identities", OAUTH, with_(OAUTH, tokens={"M": {}})),
        ("identities", None, {"id": {"S": "email#ada@example.com"}, "user_id": {"S": "usr_1"}}),
        ("identities", APP, with_(APP, secret={"B": "b3RoZXI="})),
        ("users", USER, with_(USER, factors={"SS": ["totp#app", "recovery"]})),
        ("tokens", None, CODE),
        ("tokens", CODE, with_(CODE, tries={"L": [{"S": "1.other"}]})),
        (
            "tokens",
            with_(CODE, tries={"L": [{"S": "1.hush"}]}),
            with_(CODE, tries={"L": [{"S": "1.hush"}, {"S": "2.hush"}]}),
        ),
        ("tokens", None, TOKEN),
        ("tokens", with_(TOKEN, consumed_by={"S": "x"}), None),
        ("login_attempts", None, {"subject": {"S": "x"}, "attempt": {"S": "#register"}}),
    ],
)
def test_what_changes_nothing_for_others_is_no_event(
    table: TableName, old: dict[str, Any] | None, new: dict[str, Any] | None
) -> None:
    """A no-op write, bookkeeping, and changes that another table reports cause no event."""
    assert events(table, old, new) == []


def test_a_session_s_life_is_told() -> None:
    """The beginning, refresh and end of a session have one ref, which is not its key."""
    longer = with_(SESSION, expires_at={"N": str(epoch_seconds(AT) + 7200)})
    made: list[Any] = [
        the_one(events("sessions", None, SESSION), StreamSessionCreated),
        the_one(events("sessions", SESSION, longer), StreamSessionRefreshed),
        the_one(events("sessions", longer, None), StreamSessionRevoked),
    ]
    assert made[0].user_agent == "Firefox"
    assert made[0].ip_address == "192.0.2.1"
    assert made[1].expires_at > made[0].expires_at
    assert len({event.ref for event in made}) == 1
    assert DIGEST not in made[0].ref


def test_ttl_is_told_from_a_sign_out() -> None:
    """A row that DynamoDB's TTL removed is an expiry; so is one removed after its end by anybody."""
    by_ttl = the_one(events("sessions", SESSION, None, userIdentity=TTL), StreamSessionExpired)
    assert by_ttl.by_ttl
    from_the_api = the_one(
        events("sessions", SESSION, None, userIdentity={"Type": TTL["type"], "PrincipalId": TTL["principalId"]}),
        StreamSessionExpired,
    )
    assert from_the_api.by_ttl
    over = with_(SESSION, expires_at={"N": str(epoch_seconds(AT) - 1)})
    assert not the_one(events("sessions", over, None), StreamSessionExpired).by_ttl


def test_identities_are_told() -> None:
    """Linking and unlinking an account and a passkey; the subject may contain the separator."""
    linked = the_one(events("identities", None, OAUTH), StreamIdentityLinked)
    assert (linked.kind, linked.provider, linked.subject) == ("oauth", "google", "a#b")
    passkey = the_one(events("identities", PASSKEY, None), StreamIdentityUnlinked)
    assert (passkey.kind, passkey.name, passkey.subject) == ("passkey", "Key", None)


def test_a_used_token_is_told_once() -> None:
    """Only the write that consumes a token is an event; it has purpose, user and address."""
    used = with_(TOKEN, consumed_by={"S": "me"})
    made = the_one(events("tokens", TOKEN, used), StreamTokenConsumed)
    assert (made.purpose, made.user_id, made.email) == ("password_reset", "usr_1", "ada@example.com")
    assert events("tokens", used, with_(used, metadata={"M": {}})) == []


def test_bytes_of_the_streams_api_read_like_those_of_lambda() -> None:
    """boto3 returns bytes and datetimes where Lambda has text and numbers; the events are the same."""
    given = record("identities", None, with_(PASSKEY, public_key={"B": b"hush"}))
    given["dynamodb"]["ApproximateCreationDateTime"] = AT
    assert decode(given, "identities") == tuple(events("identities", None, PASSKEY))


def test_no_event_holds_a_secret() -> None:
    """Neither a digest of a token, nor a hash, nor a provider's tokens, in any event, repr or JSON of one."""
    user = with_(USER, password_version={"S": "secret-version"}, metadata={"M": {"k": {"S": "secret-data"}}})
    made: list[StreamEvent] = [
        *events("users", None, user),
        *events("users", USER, user),
        *events("sessions", None, SESSION),
        *events("sessions", SESSION, None),
        *events("sessions", SESSION, None, userIdentity=TTL),
        *events("identities", None, OAUTH),
        *events("identities", None, PASSKEY),
        *events("identities", OAUTH, None),
        *events("identities", None, APP),
        *events("identities", None, RECOVERY),
        *events("tokens", CODE, with_(CODE, tries={"L": [{"S": "1.hush"}]})),
        *events("tokens", TOKEN, with_(TOKEN, consumed_by={"S": "secret-writer"}, sealed_flow={"B": "secret"})),
    ]
    told = repr(made) + json.dumps([to_dict(event) for event in made])
    for secret in (DIGEST, DIGEST[:16], "secret", "hush", "aHVzaA"):
        assert secret not in told


def test_every_event_is_json_under_its_name() -> None:
    """Names are unique and stable, and every event turns into JSON."""
    assert len(EVENT_TYPES) == 20
    told = to_dict(events("users", USER, with_(USER, name={"S": "A"}, metadata={"M": {}}))[0])
    assert json.loads(json.dumps(told)) == {
        "type": "user.updated",
        "id": "users:7de3041dd709b024af6f29e4fa13d34c:user.updated",
        "at": LATER,
        "user_id": "usr_1",
        "changed": ["metadata", "name"],
    }


def test_a_stream_without_images_is_refused() -> None:
    """A stream of keys only cannot make events; the error says what to do."""
    bare = record("users", None, USER)
    del bare["dynamodb"]["NewImage"]
    with pytest.raises(ConfigurationError, match="NEW_AND_OLD_IMAGES"):
        decode(bare, "users")


def test_an_unreadable_image_is_said() -> None:
    """A record that something else wrote raises CorruptItem, naming the attribute but no value."""
    with pytest.raises(CorruptItem, match="session_epoch"):
        events("users", None, {name: value for name, value in USER.items() if name != "session_epoch"})


def test_the_table_is_known_by_its_arn() -> None:
    """A record names its table in the stream's ARN; others are not ours."""
    assert table_of(record("sessions", None, SESSION), CONFIG) == "sessions"
    assert table_of({"eventSourceARN": "arn:aws:dynamodb:r:1:table/other/stream/x"}, CONFIG) is None


def test_lambda_reports_the_first_failure_and_handles_nothing_after_it() -> None:
    """The answer names the first failed record; later ones wait, so that no change overtakes an earlier one."""
    seen: list[str] = []
    handlers = Handlers()

    @handlers.on(StreamEvent)
    def handle(event: StreamEvent) -> None:
        if event.user_id == "usr_bad":
            raise RuntimeError("no")
        seen.append(str(event.user_id))

    users = [with_(USER, id={"S": name}) for name in ("usr_a", "usr_bad", "usr_c")]
    batch = {"Records": [record("users", None, user, number=str(100 + index)) for index, user in enumerate(users)]}
    answer = lambda_handler(CONFIG, handlers)(batch, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "101"}]}
    assert seen == ["usr_a"]


def test_lambda_reports_success_as_an_empty_list() -> None:
    """A successful batch, an empty one, and one of other tables' records have no failures."""
    handle = lambda_handler(CONFIG, Handlers())
    stranger = {**record("users", None, USER), "eventSourceARN": "arn:aws:dynamodb:r:1:table/other/stream/x"}
    assert handle({"Records": [record("users", None, USER), stranger]}, None) == {"batchItemFailures": []}
    assert handle({"Records": []}, None) == {"batchItemFailures": []}


@pytest.mark.parametrize(("on_corrupt", "failures"), [("fail", 1), ("skip", 0)])
def test_an_unreadable_record_fails_or_is_passed_over(on_corrupt: Any, failures: int) -> None:
    """The operator chooses what happens to a record that cannot be read."""
    broken = record("users", None, {"id": {"S": "usr_1"}})
    answer = lambda_handler(CONFIG, Handlers(), on_corrupt=on_corrupt)({"Records": [broken]}, None)
    assert len(answer["batchItemFailures"]) == failures


def test_handlers_are_called_by_type() -> None:
    """A function gets the events of its class, in the order of registration; StreamEvent gets all."""
    calls: list[str] = []
    handlers = Handlers()
    handlers.on(StreamUserCreated)(lambda event: calls.append(f"created {event.email}"))
    handlers.on(StreamEvent)(lambda event: calls.append(event.type))
    for event in events("users", None, USER) + events("users", USER, None):
        handlers.handle(event)
    assert calls == ["created ada@example.com", "user.created", "user.deleted"]


def test_parents_come_before_children() -> None:
    """A shard is read only after its parent is finished or gone; finished ones are not read again."""
    parents = {"a": None, "b": "a", "c": "a", "d": "gone", "e": "b"}
    assert readable_shards(parents, ()) == ["a", "d"]
    assert readable_shards(parents, {"a"}) == ["b", "c", "d"]
    assert readable_shards(parents, {"a", "b", "d"}) == ["c", "e"]
    assert readable_shards(parents, set(parents)) == []


@pytest.mark.parametrize("layout", ["tables", "single"])
def test_lambda_passes_on_the_tenant(layout: str) -> None:
    """An event of a tenant's user names the tenant, and the user by the id within it; others' items are ignored."""
    config = DynamoDbConfig(region="eu-central-1", layout=layout)  # type: ignore[arg-type]
    seen: list[dict[str, Any]] = []
    handlers = Handlers()
    handlers.on(StreamEvent)(lambda event: seen.append(to_dict(event)))
    layouts = [layout_of(config, tenant) for tenant in (None, "acme")]
    users = [USER if one is None else one.item("users", USER) for one in layouts]
    if layout == "single":
        users.append({"pk": {"S": "user#usr_1"}, "sk": {"S": "user"}, "email": {"S": "ada@example.com"}})
    records = [record("users", None, user) for user in users]
    for one in records:
        one["eventSourceARN"] = one["eventSourceARN"].replace("torii_users", config.table_name(config.tables[0]))
    assert lambda_handler(config, handlers)({"Records": records}, None) == {"batchItemFailures": []}
    assert [(one["type"], one["user_id"], one.get("tenant")) for one in seen] == [
        ("user.created", "usr_1", None),
        ("user.created", "usr_1", "acme"),
    ]
