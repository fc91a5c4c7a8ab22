# Generated from tests/integration/wire/_async/test_cognito.py by tools/unasync.py. Do not edit.

"""Signing in at Cognito: against moto, and against a server that sends what moto does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.session import Session
from botocore.validate import ParamValidator
from tests.integration.wire.server import Answer, Server

from torii_dynamodb import SignedIn, Torii
from torii_dynamodb.cognito import CognitoSignIn
from torii_dynamodb.config import Credentials
from torii_dynamodb.errors import AccessDenied, ConfigurationError
from torii_dynamodb.legacy import LegacyRefused
from torii_dynamodb.local.engines import LocalEngine
from torii_dynamodb.policies import Argon2Hasher
from torii_dynamodb.testing import MemoryStorage

CREDENTIALS = Credentials(access_key_id="AKIDEXAMPLE", secret_access_key="very-secret")
PATIENCE = 30  # of the tests: on a busy machine the default, two seconds, is not enough
EMAIL, PASSWORD = "ada@example.com", "Correct-Horse-1"
ATTRIBUTES = {
    "sub": "0a1b2c3d-0000-4000-8000-000000000001", "email": EMAIL, "email_verified": "true", "given_name": "Ada",
    "family_name": "Byron", "custom:plan": "pro",
}  # fmt: skip
FOUND = {
    "Username": ATTRIBUTES["sub"],
    "UserAttributes": [{"Name": name, "Value": value} for name, value in ATTRIBUTES.items()],
    "UserCreateDate": 1700000000.25,
    "Enabled": True,
    "UserStatus": "CONFIRMED",
}
RIGHT = {"AuthenticationResult": {"AccessToken": "secret-token", "ExpiresIn": 3600}, "ChallengeParameters": {}}


def sign_in(server: Server, **options: Any) -> CognitoSignIn:
    settings: dict[str, Any] = {"region": "eu-west-1", "credentials": CREDENTIALS, "random": bytes, "timeout": PATIENCE}
    return CognitoSignIn("eu-west-1_Pool", "client", endpoint_url=server.url, **(settings | options))


def answer(body: object) -> Answer:
    return Answer(body, crc=False)


def refusal(code: str, message: str = "as the script says", status: int = 400) -> Answer:
    """An error as Cognito sends it."""
    return Answer({"__type": code, "message": message}, status, crc=False)


class Pool:
    """A user pool in moto, with one user."""

    def __init__(self, engine: LocalEngine) -> None:
        self.client: Any = boto3.client(
            "cognito-idp",
            region_name="eu-west-1",
            endpoint_url=engine.endpoint_url,
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        self.id = self.client.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
        made = self.client.create_user_pool_client(
            UserPoolId=self.id,
            ClientName="migration",
            GenerateSecret=True,
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
        )["UserPoolClient"]
        self.of = CognitoSignIn(
            self.id,
            made["ClientId"],
            client_secret=made["ClientSecret"],
            region="eu-west-1",
            endpoint_url=engine.endpoint_url,
            credentials=CREDENTIALS,
            timeout=PATIENCE,
        )

    def add(self, email: str = EMAIL, *, permanent: bool = True, verified: str = "true") -> None:
        self.client.admin_create_user(
            UserPoolId=self.id,
            Username=email,
            UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": verified}],
            MessageAction="SUPPRESS",
        )
        self.client.admin_set_user_password(UserPoolId=self.id, Username=email, Password=PASSWORD, Permanent=permanent)


def test_a_user_of_a_pool_is_migrated(moto_engine: LocalEngine) -> None:
    """Signed in by the old password, with the pool's id; the pool refuses it afterwards, so a deleted user stays so."""
    pool = Pool(moto_engine)
    pool.add()
    storage = MemoryStorage()
    hasher = Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1)
    torii = Torii(storage, legacy=pool.of, legacy_timeout=timedelta(seconds=10), hasher=hasher)
    assert pool.of(EMAIL, "wrong") is None
    assert pool.of("nobody@example.com", PASSWORD) is None
    result = torii.password.authenticate(EMAIL, PASSWORD)
    assert isinstance(result, SignedIn)
    there = pool.client.admin_get_user(UserPoolId=pool.id, Username=EMAIL)
    assert result.user.id in [one["Value"] for one in there["UserAttributes"] if one["Name"] == "sub"]
    assert result.user.is_email_verified
    assert there["Enabled"] is False
    assert isinstance(torii.password.authenticate(EMAIL, PASSWORD), SignedIn)
    torii.delete_user(result.user.id)
    assert pool.of(EMAIL, PASSWORD) is None
    pool.of.close()


def test_a_temporary_password_is_refused_by_name(moto_engine: LocalEngine) -> None:
    """Whoever has only the password that an administrator set is not migrated with it."""
    pool = Pool(moto_engine)
    pool.add(permanent=False)
    with pytest.raises(LegacyRefused, match="NEW_PASSWORD_REQUIRED"):
        pool.of(EMAIL, PASSWORD)
    pool.of.close()


def test_an_unverified_address_stays_unverified(moto_engine: LocalEngine) -> None:
    """Cognito also signs in people who never proved their address."""
    pool = Pool(moto_engine)
    pool.add(verified="false")
    user = pool.of(EMAIL, PASSWORD)
    assert user is not None
    assert not user.email_verified
    pool.of.close()


def test_requests_and_the_user_are_as_documented() -> None:
    """Operations and parameters are those of botocore's model; all of the user's attributes are taken over."""
    with Server(answer(RIGHT), answer(FOUND), answer({})) as server:
        cognito = sign_in(server, client_secret="client-secret")
        user = cognito(EMAIL, PASSWORD)
        assert user is not None
        cognito.migrated(user)
        cognito.close()
    assert (user.id, user.email, user.name) == (ATTRIBUTES["sub"], EMAIL, "Ada Byron")
    assert (user.email_verified, user.locked, user.metadata) == (True, False, {"custom:plan": "pro"})
    assert user.created_at is not None
    assert user.created_at.year == 2023
    operations = ["AdminInitiateAuth", "AdminGetUser", "AdminDisableUser"]
    for seen, operation in zip(server.seen, operations, strict=True):
        assert seen.headers["x-amz-target"] == f"AWSCognitoIdentityProviderService.{operation}"
        shape = Session().get_service_model("cognito-idp").operation_model(operation).input_shape
        assert shape is not None
        assert not ParamValidator().validate(seen.payload, shape).has_errors()
    # The secret hash was computed as the developer guide's Python example does it.
    assert server.seen[0].payload["AuthParameters"] == {
        "USERNAME": EMAIL,
        "PASSWORD": PASSWORD,
        "SECRET_HASH": "lUwRfaD2ZCiT1neEPvv9eAFmiONLgmcg4o8poIkC354=",
    }
    assert PASSWORD not in repr(cognito) + repr(user)


@pytest.mark.parametrize("challenge", ["SOFTWARE_TOKEN_MFA", "SMS_MFA", "EMAIL_OTP", "SELECT_MFA_TYPE"])
def test_a_second_factor_is_not_walked_around(challenge: str) -> None:
    """Such a user is refused by the challenge's name, unless the application gives these factors up."""
    with Server(answer({"ChallengeName": challenge, "Session": "s"})) as server:
        cognito = sign_in(server)
        with pytest.raises(LegacyRefused, match=challenge):
            cognito(EMAIL, PASSWORD)
        cognito.close()
    found = {**FOUND, "UserMFASettingList": [challenge]}
    with Server(answer({"ChallengeName": challenge, "Session": "s"}), answer(found)) as server:
        cognito = sign_in(server, without_second_factors=True)
        user = cognito(EMAIL, PASSWORD)
        assert user is not None
        assert user.other_factors == ()
        cognito.close()


def test_a_factor_that_was_not_asked_for_is_named() -> None:
    """The import then refuses the user, because the factor would be lost."""
    with Server(answer(RIGHT), answer({**FOUND, "UserMFASettingList": ["SOFTWARE_TOKEN_MFA"]})) as server:
        cognito = sign_in(server)
        user = cognito(EMAIL, PASSWORD)
        assert user is not None
        assert user.other_factors == ("SOFTWARE_TOKEN_MFA",)
        cognito.close()


WRONG = [
    refusal("NotAuthorizedException", "Incorrect username or password."),
    refusal("NotAuthorizedException", "User is disabled."),
    refusal("UserNotFoundException", "User does not exist."),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_password_or_user_is_none(wrong: Answer) -> None:
    """Also a user who is disabled in the pool, as those who were migrated are."""
    with Server(otherwise=wrong) as server:
        cognito = sign_in(server)
        assert cognito(EMAIL, PASSWORD) is None
        cognito.close()
        assert len(server.seen) == 1


REFUSALS: list[tuple[Answer, type[Exception], str]] = [
    (refusal("PasswordResetRequiredException"), LegacyRefused, "PasswordResetRequiredException"),
    (refusal("UserNotConfirmedException"), LegacyRefused, "UserNotConfirmedException"),
    (refusal("TooManyRequestsException"), LegacyRefused, "TooManyRequestsException"),
    (refusal("UserLambdaValidationException"), LegacyRefused, "UserLambdaValidationException"),
    (refusal("InvalidParameterException"), LegacyRefused, "InvalidParameterException"),
    (refusal("NotAuthorizedException", "Password attempts exceeded"), LegacyRefused, "attempts exceeded"),
    (refusal("NotAuthorizedException", "Unable to verify secret hash for client c"), LegacyRefused, "secret hash"),
    (refusal("ResourceNotFoundException", "User pool x does not exist."), ConfigurationError, "user pool"),
    (refusal("AccessDeniedException"), AccessDenied, "AdminInitiateAuth"),
    (answer({"ChallengeName": "CUSTOM_CHALLENGE"}), LegacyRefused, "CUSTOM_CHALLENGE"),
    (answer({}), LegacyRefused, "neither"),
]


@pytest.mark.parametrize(("refused", "kind", "said"), REFUSALS)
def test_any_other_refusal_is_named(refused: Answer, kind: type[Exception], said: str) -> None:
    """By Cognito's name for it, or as a mistake in the set-up, without address and password."""
    with Server(otherwise=refused) as server:
        cognito = sign_in(server)
        with pytest.raises(kind, match=said) as caught:
            cognito(EMAIL, PASSWORD)
        cognito.close()
    assert PASSWORD not in str(caught.value)
    assert EMAIL not in str(caught.value)


def test_a_user_without_an_address_is_refused() -> None:
    """A pool may have users with only a telephone number."""
    with Server(answer(RIGHT), answer({**FOUND, "UserAttributes": []})) as server:
        cognito = sign_in(server)
        with pytest.raises(LegacyRefused, match="no email address"):
            cognito(EMAIL, PASSWORD)
        cognito.close()
