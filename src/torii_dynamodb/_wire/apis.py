"""The AWS APIs that this library calls: how their requests are addressed and signed. Pure.

Sources: botocore's service models (``metadata``) and endpoint rules; a test compares all of this with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["COGNITO", "DYNAMODB", "EVENTBRIDGE", "SECRETS_MANAGER", "SES", "SNS", "Api"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API of AWS.

    Args:
        name: What AWS calls the service, for messages.
        signed_as: The service's name in signatures.
        host: The first label of its endpoints.
        setting: The service's name in AWS's settings (``AWS_ENDPOINT_URL_<SETTING>``), in lower case.
        content_type: The media type of requests.
        target: What precedes the operation in ``X-Amz-Target``; ``None`` for APIs without that header.
        path: The path of requests.
        action: The permission that a request needs, for messages.
        once: Whether a request that is sent twice is done twice. Such a request is only sent again if AWS certainly
            did not act on it, and each has its own connection: one that was kept may have been closed by AWS, and
            nothing would tell whether the request was read before.
        plain_is_fips: In GovCloud, whether the endpoints without ``-fips`` are FIPS endpoints: for which values of
            "dual-stack".
        dual_stack_domain: Whether its dual-stack endpoints have a domain of their own everywhere. Where they follow no
            rule, the plain endpoints are used.
    """

    name: str
    signed_as: str
    host: str
    setting: str
    content_type: bytes
    target: bytes | None = None
    path: str = ""
    action: str = ""
    once: bool = False
    plain_is_fips: tuple[bool, ...] = (False,)
    dual_stack_domain: bool = True


DYNAMODB: Final = Api(
    name="DynamoDB",
    signed_as="dynamodb",
    host="dynamodb",
    setting="dynamodb",
    content_type=b"application/x-amz-json-1.0",
    target=b"DynamoDB_20120810.",
)
COGNITO: Final = Api(
    name="Cognito",
    signed_as="cognito-idp",
    host="cognito-idp",
    setting="cognito_identity_provider",
    content_type=b"application/x-amz-json-1.1",
    target=b"AWSCognitoIdentityProviderService.",
    path="/",
    action="cognito-idp:AdminInitiateAuth, AdminGetUser and AdminDisableUser",
    plain_is_fips=(),
    dual_stack_domain=False,
)
SES: Final = Api(
    name="SES",
    signed_as="ses",
    host="email",
    setting="sesv2",
    content_type=b"application/json",
    path="/v2/email/outbound-emails",
    action="ses:SendEmail",
    once=True,
    plain_is_fips=(),
)
SNS: Final = Api(
    name="SNS",
    signed_as="sns",
    host="sns",
    setting="sns",
    content_type=b"application/x-www-form-urlencoded; charset=utf-8",
    path="/",
    action="sns:Publish",
)
EVENTBRIDGE: Final = Api(
    name="EventBridge",
    signed_as="events",
    host="events",
    setting="eventbridge",
    content_type=b"application/x-amz-json-1.1",
    target=b"AWSEvents.",
    path="/",
    action="events:PutEvents",
    plain_is_fips=(False, True),
)
SECRETS_MANAGER: Final = Api(
    name="Secrets Manager",
    signed_as="secretsmanager",
    host="secretsmanager",
    setting="secrets_manager",
    content_type=b"application/x-amz-json-1.1",
    target=b"secretsmanager.",
    path="/",
    action="secretsmanager:GetSecretValue",
    plain_is_fips=(),
    dual_stack_domain=False,
)
