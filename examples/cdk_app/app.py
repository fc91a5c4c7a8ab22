r"""The application of ``examples/aws_lambda`` as a CDK app: tables, functions, API, authorizer, mail, secret, alarms.

    pip install -r requirements.txt
    pip install --target build --python-version 3.13 --only-binary :all: \
        --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 "torii-dynamodb[mail]"
    cp ../aws_lambda/*.py ../aws_lambda/page.html build
    cdk deploy --context sender=no-reply@example.com --context identity=example.com

The tables are those of ``torii-dynamodb template cloudformation``, and the permissions those of ``torii-dynamodb iam
policy``: both are generated here from the installed library, so they are never out of date.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_apigatewayv2_authorizers as authorizers
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import cloudformation_include
from constructs import Construct

from torii_dynamodb import DynamoDbConfig
from torii_dynamodb.admin.iam import Role, policy
from torii_dynamodb.admin.options import TableOptions
from torii_dynamodb.admin.templates import render, template

HERE = Path(__file__).parent


class Accounts(cdk.Stack):
    """The stack."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        config: DynamoDbConfig,
        options: TableOptions,
        code: str,
        sender: str,
        identity: str,
        alarm_email: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(scope, name, **more)
        self.config = config
        self.code = functions.Code.from_asset(code)
        self.alarms = sns.Topic(self, "Alarms")
        if alarm_email:
            self.alarms.add_subscription(subscriptions.EmailSubscription(alarm_email))
        self.add_tables(options)

        secret = secretsmanager.Secret(
            self,
            "Secret",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=cdk.RemovalPolicy.RETAIN,  # without it, authenticator apps and known browsers are lost
        )
        mails = ses.ConfigurationSet(self, "Mails", reputation_metrics=True)
        mails.add_event_destination(
            "Events",
            destination=ses.EventDestination.event_bus(
                cdk.aws_events.EventBus.from_event_bus_name(self, "DefaultBus", "default")
            ),
            events=[ses.EmailSendingEvent.BOUNCE, ses.EmailSendingEvent.COMPLAINT, ses.EmailSendingEvent.REJECT],
        )
        http = api.HttpApi(self, "Api", create_default_stage=False)
        api.HttpStage(
            self,
            "Stage",
            http_api=http,
            stage_name="$default",
            auto_deploy=True,
            throttle=api.ThrottleSettings(burst_limit=100, rate_limit=50),
        )

        accounts = self.add_function(
            "Accounts",
            "handler.handler",
            "runtime",
            BASE_URL=http.api_endpoint,
            SENDER=sender,
            APP_NAME=name,
            SES_CONFIGURATION_SET=mails.configuration_set_name,
            TORII_SECRET_ARN=secret.secret_arn,
        )
        secret.grant_read(accounts)
        accounts.add_to_role_policy(
            iam.PolicyStatement(
                actions=["ses:SendEmail"],
                resources=[
                    self.format_arn(service="ses", resource="identity", resource_name=identity),
                    self.format_arn(
                        service="ses", resource="configuration-set", resource_name=mails.configuration_set_name
                    ),
                ],
                conditions={"StringEquals": {"ses:FromAddress": sender}},
            )
        )
        authorizer = self.add_function("Authorizer", "authorizer.handler", "authorizer")
        notes = self.add_function("Notes", "notes.handler", None)
        http.add_routes(path="/{proxy+}", integration=integrations.HttpLambdaIntegration("AccountsRoute", accounts))
        http.add_routes(path="/", integration=integrations.HttpLambdaIntegration("PageRoute", accounts))
        http.add_routes(
            path="/api/{proxy+}",
            integration=integrations.HttpLambdaIntegration("NotesRoute", notes),
            authorizer=authorizers.HttpLambdaAuthorizer(
                "Session",
                authorizer,
                response_types=[authorizers.HttpLambdaResponseType.SIMPLE],
                identity_source=["$request.header.Authorization"],
                results_cache_ttl=cdk.Duration.seconds(0),  # a cached answer would let ended sessions pass
            ),
        )
        self.add_alarms(accounts, authorizer, http)
        cdk.CfnOutput(self, "Url", value=http.api_endpoint)

    def add_tables(self, options: TableOptions) -> None:
        """Include the library's own template of the tables, which keeps them when the stack is deleted."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "tables.json"
            file.write_text(render(template("cloudformation", self.config, options)), encoding="utf-8")
            included = cloudformation_include.CfnInclude(self, "Tables", template_file=str(file))
        for name in json.loads(render(template("cdk-json", self.config, options))):
            table = included.get_resource(name)
            assert isinstance(table, dynamodb.CfnTable)
            throttles = {
                metric: cloudwatch.Metric(
                    namespace="AWS/DynamoDB",
                    metric_name=metric,
                    statistic="Sum",
                    dimensions_map={"TableName": table.ref},
                )
                for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
            }
            self.alarm(
                f"{name}Throttles",
                cloudwatch.MathExpression(
                    expression="reads + writes",
                    using_metrics={
                        "reads": throttles["ReadThrottleEvents"],
                        "writes": throttles["WriteThrottleEvents"],
                    },
                ),
            )

    def add_function(self, name: str, handler: str, role: Role | None, **variables: str) -> functions.Function:
        """Add a function with the permissions of a role on the tables."""
        made = functions.Function(
            self,
            name,
            handler=handler,
            code=self.code,
            runtime=functions.Runtime.PYTHON_3_13,
            architecture=functions.Architecture.ARM_64,
            memory_size=1024,
            timeout=cdk.Duration.seconds(15),
            environment={"TABLE_PREFIX": self.config.table_prefix, **variables},
            log_group=logs.LogGroup(self, f"{name}Log", retention=logs.RetentionDays.ONE_MONTH),
        )
        if role is not None:
            here = f"arn:{self.partition}:dynamodb:{self.region}:{self.account}:"
            for statement in policy(role, self.config)["Statement"]:
                resources = [arn.replace("arn:aws:dynamodb:*:*:", here) for arn in statement["Resource"]]
                made.add_to_role_policy(iam.PolicyStatement(actions=statement["Action"], resources=resources))
        return made

    def add_alarms(self, accounts: functions.Function, authorizer: functions.Function, http: api.HttpApi) -> None:
        """Errors, throttles, latency, 5xx and failed mails."""
        for function in (accounts, authorizer):
            name = function.node.id
            self.alarm(f"{name}Errors", function.metric_errors(period=cdk.Duration.minutes(1)))
            self.alarm(f"{name}Throttles", function.metric_throttles(period=cdk.Duration.minutes(1)))
        latency = accounts.metric_duration(statistic="p99", period=cdk.Duration.minutes(1))
        self.alarm("AccountsLatency", latency, threshold=3000, periods=5)
        self.alarm("Api", http.metric_server_error(period=cdk.Duration.minutes(1)))
        failed = accounts.log_group.add_metric_filter(
            "MailFailures",
            filter_pattern=logs.FilterPattern.literal('"could not be sent"'),  # what the library logs
            metric_namespace=self.stack_name,
            metric_name="MailFailures",
        )
        self.alarm("Mail", failed.metric(statistic="Sum", period=cdk.Duration.minutes(1)))

    def alarm(self, name: str, metric: cloudwatch.IMetric, *, threshold: float = 0, periods: int = 1) -> None:
        """Add an alarm for when a metric is over a threshold."""
        cloudwatch.Alarm(
            self,
            f"{name}Alarm",
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ).add_alarm_action(actions.SnsAction(self.alarms))


def main() -> None:
    """Read the context and synthesise the stack."""
    app = cdk.App()
    Accounts(
        app,
        "Accounts",
        config=DynamoDbConfig(table_prefix="torii"),
        options=TableOptions(billing="on_demand", point_in_time_recovery=True, deletion_protection=True),
        code=app.node.try_get_context("code") or str(HERE / "build"),
        sender=app.node.get_context("sender"),
        identity=app.node.get_context("identity"),
        alarm_email=app.node.try_get_context("alarm_email"),
    )
    app.synth()


if __name__ == "__main__":
    main()
