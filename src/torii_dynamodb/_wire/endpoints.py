"""AWS' own endpoints of DynamoDB: one for each region, FIPS, dual-stack and account. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal

from torii_dynamodb._wire.facts import PARTITIONS
from torii_dynamodb.errors import ConfigurationError

__all__ = ["AccountIdMode", "AwsEndpoint", "aws_endpoint", "is_aws", "region_of_endpoint"]

AccountIdMode = Literal["preferred", "disabled", "required"]

_DOMAINS: Final = tuple({f".{domain}" for _, plain, dual, _ in PARTITIONS for domain in (plain, dual)})


class AwsEndpoint:
    """An endpoint of AWS' own.

    Attributes:
        url: Its URL.
        account_url: The same for one account, with ``{account}`` for the account's number; ``None`` where the region
            has none, or none is wanted.
        account_required: Whether only the second may be used.
    """

    __slots__ = ("account_required", "account_url", "url")

    def __init__(self, url: str, account_url: str | None = None, account_required: bool = False) -> None:
        self.url = url
        self.account_url = account_url
        self.account_required = account_required

    def of_account(self, account_id: str | None) -> str:
        """The URL to use with credentials of an account.

        Raises:
            ConfigurationError: An account's endpoint is required and its number is not known.
        """
        if self.account_url is not None and account_id:
            if not re.fullmatch(r"[0-9]{12}", account_id):
                raise ConfigurationError(
                    f"the AWS account {account_id!r} is not a number of 12 digits (AWS_ACCOUNT_ID, or the credentials)"
                )
            return self.account_url.format(account=account_id)
        if self.account_required:
            raise ConfigurationError(
                "account_id_endpoint_mode is 'required', and the credentials do not say their account: set "
                "AWS_ACCOUNT_ID, or give Credentials(account_id=...)"
            )
        return self.url


def aws_endpoint(
    region: str, *, fips: bool = False, dual_stack: bool = False, account_mode: AccountIdMode = "disabled"
) -> AwsEndpoint:
    """AWS' own endpoint of a region, as botocore resolves it.

    Raises:
        ConfigurationError: There is none of that kind.
    """
    if region == "local":  # AWS' word for DynamoDB Local
        if fips or dual_stack:
            raise ConfigurationError("region 'local' has no FIPS and no dual-stack endpoint; switch them off")
        return AwsEndpoint("http://localhost:8000")
    starts, plain, dual, account_regions = next(one for one in PARTITIONS if region.startswith(one[0]))
    domain = f"{region}.{dual if dual_stack else plain}"
    if fips:
        if account_mode == "required":
            raise ConfigurationError("account_id_endpoint_mode is 'required', and FIPS endpoints have no account's")
        # GovCloud's endpoints are FIPS' by their plain names.
        name = "dynamodb" if "us-gov-" in starts and not dual_stack else "dynamodb-fips"
        return AwsEndpoint(f"https://{name}.{domain}")
    url = f"https://dynamodb.{domain}"
    if account_mode == "disabled":
        return AwsEndpoint(url)
    if account_regions is not None and region not in account_regions:
        if account_mode == "required":
            raise ConfigurationError(f"account_id_endpoint_mode is 'required', and {region} has no account endpoints")
        return AwsEndpoint(url)
    return AwsEndpoint(url, f"https://{{account}}.ddb.{domain}", account_mode == "required")


def is_aws(host: str) -> bool:
    """Whether a host is one of AWS' own, which serve one service each; an emulator serves all at one address."""
    return host.lower().endswith(_DOMAINS)


def region_of_endpoint(url: str) -> str | None:
    """The region that stands in the name of one of AWS' own endpoints, VPC endpoints included, or ``None``."""
    found = re.search(r"//(?:[^/]*\.)?(?:dynamodb(?:-fips)?|ddb)\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.", url)
    return found.group(1) if found else None
