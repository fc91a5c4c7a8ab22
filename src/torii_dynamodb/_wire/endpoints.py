"""Which region and which endpoint: configuration first, then the standard environment variables. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["endpoint_from_environment", "region_from_environment", "region_of_endpoint", "regional_endpoint"]

# AWS partitions by the region's beginning (botocore's endpoints.json): domain, domain of dual-stack hosts.
_PARTITIONS: tuple[tuple[str, str, str | None], ...] = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-isob-", "sc2s.sgov.gov", None),
    ("us-isof-", "csp.hci.ic.gov", None),
    ("us-iso-", "c2s.ic.gov", None),
    ("eu-isoe-", "cloud.adc-e.uk", None),
    ("eusc-", "amazonaws.eu", None),
    ("", "amazonaws.com", "api.aws"),
)


def region_from_environment(environ: Mapping[str, str]) -> str | None:
    """The region that the environment names, or ``None``."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None


def endpoint_from_environment(environ: Mapping[str, str]) -> str | None:
    """The endpoint that the environment names, or ``None``."""
    if _on(environ, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        return None
    return environ.get("AWS_ENDPOINT_URL_DYNAMODB") or environ.get("AWS_ENDPOINT_URL") or None


def region_of_endpoint(url: str) -> str | None:
    """The region that stands in the name of one of AWS' own endpoints, VPC endpoints included, or ``None``."""
    found = re.search(r"//(?:[^/]*\.)?dynamodb(?:-fips)?\.([a-z]{2,}(?:-[a-z]+)+-\d+)\.", url)
    return found.group(1) if found else None


def regional_endpoint(region: str, environ: Mapping[str, str]) -> str:
    """AWS' own endpoint of a region. Honours ``AWS_USE_FIPS_ENDPOINT`` and ``AWS_USE_DUALSTACK_ENDPOINT``."""
    service = "dynamodb-fips" if _on(environ, "AWS_USE_FIPS_ENDPOINT") else "dynamodb"
    for start, domain, dual in _PARTITIONS:
        if region.startswith(start):
            if dual is not None and _on(environ, "AWS_USE_DUALSTACK_ENDPOINT"):
                return f"https://{service}.{region}.{dual}"
            return f"https://{service}.{region}.{domain}"
    raise AssertionError("the last partition fits every region")


def _on(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").lower() == "true"
