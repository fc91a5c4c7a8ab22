# Generated from src/torii_dynamodb/_async/cognito.py by tools/unasync.py. Do not edit.

"""Signing in at an Amazon Cognito user pool, to migrate its users."""

from __future__ import annotations

from typing import Any

from torii_dynamodb._rules import cognito
from torii_dynamodb._sync.aws_api import AwsApi
from torii_dynamodb._wire.apis import COGNITO
from torii_dynamodb._wire.json import dumps, loads, object_of
from torii_dynamodb.clock import Clock, RandomBytes, system_clock, system_random
from torii_dynamodb.config import Credentials, CredentialsSource
from torii_dynamodb.errors import RequestRejected, Throttled
from torii_dynamodb.legacy import LegacyUser

__all__ = ["CognitoSignIn"]


class CognitoSignIn:
    """A Cognito user pool for ``Torii(legacy=...)``: its users are migrated when they first sign in.

    It signs in with ``AdminInitiateAuth`` (flow ``ADMIN_USER_PASSWORD_AUTH``, which the app client must allow), reads
    the user with ``AdminGetUser``, and disables a migrated user with ``AdminDisableUser``. The credentials need these
    three permissions (``cognito-idp:...``) on the pool. The pool must accept the email address as user name or alias.

    An unknown or disabled user counts as a wrong password here. So do the following, which the event ``LegacyFailed``
    names: ``NEW_PASSWORD_REQUIRED`` (the password is a temporary one), ``PasswordResetRequiredException``,
    ``UserNotConfirmedException``, ``TooManyRequestsException``, and challenges such as ``SOFTWARE_TOKEN_MFA``: Cognito
    does not export seeds of authenticator apps, so the account would have less protection here.

    Args:
        user_pool_id: The user pool.
        client_id: The app client.
        client_secret: The app client's secret, if it has one.
        without_second_factors: Whether users with a second factor are migrated without it. Tell them, and consider
            ``SecondFactorPolicy(required="always")``, which has them set one up here.
        disable_migrated: Whether a migrated user is disabled in the pool. If other applications still use the pool, set
            it to ``False``, and delete users there when you delete them here: otherwise a deleted user can come back.
        region: The pool's Region; ``None`` for the one in AWS's settings.
        endpoint_url: Another endpoint; ``None`` for ``AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER``, or the Region's.
        credentials: As in :class:`~torii_dynamodb.DynamoDbConfig`; ``None`` for the environment, then botocore's chain.
        timeout: Seconds for each call. The whole sign-in has ``legacy_timeout``.
        clock: The clock.
        random: The randomness for pauses between attempts.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        user_pool_id: str,
        client_id: str,
        *,
        client_secret: str | None = None,
        without_second_factors: bool = False,
        disable_migrated: bool = True,
        region: str | None = None,
        endpoint_url: str | None = None,
        credentials: Credentials | CredentialsSource | object | None = None,
        timeout: float = 2.0,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        self._pool = user_pool_id
        self._client_id = client_id
        self._client_secret = client_secret
        self._without_second_factors = without_second_factors
        self._disable_migrated = disable_migrated
        self._api = AwsApi(
            COGNITO,
            region=region,
            endpoint_url=endpoint_url,
            credentials=credentials,
            timeout=timeout,
            clock=clock,
            random=random,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pool!r})"

    def __call__(self, email: str, password: str) -> LegacyUser | None:
        """Return the user if the password is right; ``None`` if it is not.

        Raises:
            LegacyRefused: Cognito refuses the user for another reason, or limits the rate.
            ToriiError: There is no answer, or the pool, the client or the permissions are wrong.
        """
        parameters = {"USERNAME": email, "PASSWORD": password}
        if self._client_secret is not None:
            parameters["SECRET_HASH"] = cognito.secret_hash(self._client_id, self._client_secret, email)
        try:
            response = self._call(
                "AdminInitiateAuth",
                {"AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "ClientId": self._client_id, "AuthParameters": parameters},
            )
        except (RequestRejected, Throttled) as error:
            refusal = cognito.refused(error)
            if refusal is None:
                return None
            raise refusal from error
        cognito.after_password(response, without_second_factors=self._without_second_factors)
        found = self._call("AdminGetUser", {"Username": email})
        return cognito.user(found, without_second_factors=self._without_second_factors)

    def migrated(self, user: LegacyUser) -> None:
        """Disable the user in the pool, unless ``disable_migrated`` is off."""
        if self._disable_migrated:
            self._call("AdminDisableUser", {"Username": user.email})

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        response = self._api.call(operation, dumps({"UserPoolId": self._pool, **request}))
        return object_of(loads(response.body))
