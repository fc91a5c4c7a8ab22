"""AWS's endpoints, by Region, FIPS, dual-stack and, for DynamoDB, account. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from torii_dynamodb._wire.apis import DYNAMODB, Api
from torii_dynamodb._wire.facts import PARTITIONS
from torii_dynamodb.errors import ConfigurationError

__all__ = ["AccountIdMode", "AwsEndpoint", "aws_endpoint", "is_aws", "region_of_endpoint"]

AccountIdMode = Literal["preferred", "disabled", "required"]

_DOMAINS: Final = tuple({f".{domain}" for _, plain, dual, _ in PARTITIONS for domain in (plain, dual)})


class AwsEndpoint:
    """One of AWS's endpoints.

    Attributes:
        url: Its URL.
        account_url: The same for one account, with ``{account}`` for the account id; ``None`` if the Region has none,
            or it is disabled.
        account_required: Whether only the latter may be used.
    """

    __slots__ = ("account_required", "account_url", "url")

    def __init__(self, url: str, account_url: str | None = None, account_required: bool = False) -> None:
        self.url = url
        self.account_url = account_url
        self.account_required = account_required

    def of_account(self, account_id: str | None) -> str:
        """Return the URL to use with an account's credentials.

        Raises:
            ConfigurationError: An account's endpoint is required, but the account id is not known.
        """
        if self.account_url is not None and account_id:
            if not re.fullmatch(r"[0-9]{12}", account_id):
                raise ConfigurationError(
                    f"the AWS account {account_id!r} is not a number of 12 digits (AWS_ACCOUNT_ID, or the credentials)"
                )
            return self.account_url.format(account=account_id)
        if self.account_required:
            raise ConfigurationError(
                "account_id_endpoint_mode is 'required', but the credentials do not contain the account id: set "
                "AWS_ACCOUNT_ID, or give Credentials(account_id=...)"
            )
        return self.url


def aws_endpoint(
    region: str,
    *,
    api: Api = DYNAMODB,
    fips: bool = False,
    dual_stack: bool = False,
    account_mode: AccountIdMode = "disabled",
) -> AwsEndpoint:
    """Return AWS's endpoint of a Region, resolved as in botocore.

    Raises:
        ConfigurationError: There is none of that kind.
    """
    if region == "local" and api is DYNAMODB:  # AWS's name for DynamoDB Local
        if fips or dual_stack:
            raise ConfigurationError("region 'local' has no FIPS or dual-stack endpoint; disable them")
        return AwsEndpoint("http://localhost:8000")
    starts, plain, dual, account_regions = next(one for one in PARTITIONS if region.startswith(one[0]))
    domain = f"{region}.{dual if dual_stack and api.dual_stack_domain else plain}"
    if fips:
        if account_mode == "required":
            raise ConfigurationError("account_id_endpoint_mode is 'required', but FIPS has no account endpoints")
        name = api.host if "us-gov-" in starts and dual_stack in api.plain_is_fips else f"{api.host}-fips"
        return AwsEndpoint(f"https://{name}.{domain}")
    url = f"https://{api.host}.{domain}"
    if account_mode == "disabled" or api is not DYNAMODB:
        return AwsEndpoint(url)
    if account_regions is not None and region not in account_regions:
        if account_mode == "required":
            raise ConfigurationError(f"account_id_endpoint_mode is 'required', but {region} has no account endpoints")
        return AwsEndpoint(url)
    return AwsEndpoint(url, f"https://{{account}}.ddb.{domain}", account_mode == "required")


def is_aws(host: str) -> bool:
    """Whether a host is one of AWS's, which serve one service each; an emulator serves all at one address."""
    return host.lower().endswith(_DOMAINS)


def region_of_endpoint(url: str, api: Api = DYNAMODB) -> str | None:
    """Return the Region in the name of one of AWS's endpoints, including VPC endpoints, or ``None``."""
    found = re.search(rf"//(?:[^/]*\.)?(?:{api.host}(?:-fips)?|ddb)\.([a-z]{{2,}}(?:-[a-z]+)+-\d+)\.", url)
    return found.group(1) if found else None
