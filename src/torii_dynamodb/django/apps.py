"""The application that goes into ``INSTALLED_APPS``."""

# pyright: basic, reportMissingTypeStubs=false
# Django has no types.

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed

__all__ = ["ToriiConfig"]


class ToriiConfig(AppConfig):
    """Accounts on DynamoDB. It has no models."""

    name = "torii_dynamodb.django"
    label = "torii"
    verbose_name = "Accounts"

    def ready(self) -> None:
        """Register the checks and the receivers of signals."""
        from torii_dynamodb.django import checks, configuration, requests

        register(checks.check_settings, Tags.security)
        register(checks.check_deployment, Tags.security, deploy=True)
        setting_changed.connect(configuration.forget)
        requests.listen()
