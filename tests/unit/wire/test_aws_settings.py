"""AWS' settings, held against botocore in the same process: profiles, endpoints, order, and the page about them."""

from __future__ import annotations

import itertools
import os
import re
import string
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import BotoCoreError, EndpointProviderError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torii_dynamodb._aws import ChainSource, resolve, resolve_endpoint
from torii_dynamodb._sync.client import Client
from torii_dynamodb._wire.apis import COGNITO, EVENTBRIDGE, SECRETS_MANAGER, SES, SNS, Api
from torii_dynamodb._wire.endpoints import AccountIdMode, aws_endpoint, is_aws
from torii_dynamodb._wire.profiles import find_profile
from torii_dynamodb.admin.aws import aws_client
from torii_dynamodb.config import Credentials, DynamoDbConfig
from torii_dynamodb.errors import AccessDenied, ConfigurationError, ToriiError, Unavailable

KEYS = Credentials(access_key_id="a", secret_access_key="b")
_LOADER = botocore.session.Session().get_component("data_loader")
PARTITIONS: dict[str, Any] = _LOADER.load_data("partitions")
REGIONS = [region for partition in PARTITIONS["partitions"] for region in partition["regions"]]
RULES = EndpointProvider(_LOADER.load_service_model("dynamodb", "endpoint-rule-set-1"), PARTITIONS)


class Files:
    """AWS' two files, and what else the environment says."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        patch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))

    def config(self, text: str) -> Files:
        """Write the configuration file."""
        (self._folder / "config").write_text(text)
        return self

    def credentials(self, text: str) -> Files:
        """Write the credentials file."""
        (self._folder / "credentials").write_text(text)
        return self

    def environ(self, **values: str) -> Files:
        """Set variables."""
        for name, value in values.items():
            self._patch.setenv(name, value)
        return self


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    """Files of the test's own."""
    return Files(tmp_path, monkeypatch)


@pytest.mark.parametrize("region", [*REGIONS, "xx-new-9", "cn-new-9", "us-gov-new-9", "us-isob-new-9", "local"])
def test_endpoints_are_those_of_botocore(region: str) -> None:
    """Every region x FIPS x dual-stack x account x mode: the same URL, or refused by both."""
    modes: tuple[AccountIdMode, ...] = ("preferred", "disabled", "required")
    switches = (False, True)
    for fips, dual, account, mode in itertools.product(switches, switches, (None, "111122223333"), modes):
        asked: dict[str, Any] = {
            "Region": region,
            "UseFIPS": fips,
            "UseDualStack": dual,
            "AccountIdEndpointMode": mode,
        }
        if account:
            asked["AccountId"] = account
        try:
            theirs = RULES.resolve_endpoint(**asked).url
        except EndpointProviderError:
            theirs = None
        try:
            ours = aws_endpoint(region, fips=fips, dual_stack=dual, account_mode=mode).of_account(account)
        except ConfigurationError:
            ours = None
        assert ours == theirs, asked
        assert theirs is None or region == "local" or is_aws(theirs.removeprefix("https://"))


@pytest.mark.parametrize(
    ("api", "service"),
    [
        (SES, "sesv2"),
        (SNS, "sns"),
        (EVENTBRIDGE, "events"),
        (COGNITO, "cognito-idp"),
        (SECRETS_MANAGER, "secretsmanager"),
    ],
)
def test_endpoints_of_other_apis_are_those_of_botocore(api: Api, service: str) -> None:
    """Every real region x FIPS x dual-stack: the URL that botocore uses, wherever it has one."""
    rules = EndpointProvider(_LOADER.load_service_model(service, "endpoint-rule-set-1"), PARTITIONS)
    for region, fips, dual in itertools.product(REGIONS, (False, True), (False, True)):
        if "global" in region:
            continue
        if dual and not api.dual_stack_domain:
            continue  # the plain endpoint is used, which exists everywhere
        try:
            theirs = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dual).url
        except EndpointProviderError:
            continue
        assert aws_endpoint(region, api=api, fips=fips, dual_stack=dual).url == theirs


def test_another_api_has_its_own_endpoint(files: Files) -> None:
    """An endpoint for DynamoDB is not used for SES, one for SES is, and its Region is read from AWS's own names."""
    files.environ(AWS_ENDPOINT_URL_DYNAMODB="http://dynamodb:8000", AWS_REGION="eu-west-1")
    assert resolve(DynamoDbConfig(), api=SES).endpoint.url == "https://email.eu-west-1.amazonaws.com"
    files.environ(AWS_ENDPOINT_URL_SESV2="http://ses:8000")
    assert resolve(DynamoDbConfig(), api=SES).endpoint.url == "http://ses:8000"
    url = "https://email.eu-north-1.amazonaws.com"
    assert resolve(DynamoDbConfig(endpoint_url=url, region="eu-north-1"), api=SES).endpoint.url == url


# In the way of the tests: each place where a setting can stand, and what it says.
SETTINGS = {
    "AWS_ENDPOINT_URL_DYNAMODB": "http://env-service",
    "AWS_ENDPOINT_URL": "http://env-global",
    "services": "http://profile-service",
    "endpoint_url": "http://profile-global",
    "credentials": "http://credentials-file",
}


@pytest.mark.parametrize("places", [one for count in range(6) for one in itertools.combinations(SETTINGS, count)])
@pytest.mark.parametrize("ignored", [None, "environment", "profile"])
def test_the_order_is_that_of_botocore(files: Files, places: tuple[str, ...], ignored: str | None) -> None:
    """Wherever an endpoint stands, alone and with any others: ours is the one that boto3 goes to."""
    lines = ["[profile p]", "region = eu-west-3"]
    if "services" in places:
        lines.append("services = mine")
    if "endpoint_url" in places:
        lines.append(f"endpoint_url = {SETTINGS['endpoint_url']}")
    if ignored == "profile":
        lines.append("ignore_configured_endpoint_urls = true")
    lines += [
        "[services mine]",
        "s3 =",
        "  endpoint_url = http://s3",
        "dynamodb =",
        f"  endpoint_url = {SETTINGS['services']}",
    ]
    files.config("\n".join(lines)).environ(AWS_PROFILE="p")
    if "credentials" in places:
        files.credentials(f"[p]\nendpoint_url = {SETTINGS['credentials']}\n")
    for name in places:
        if name.startswith("AWS_"):
            files.environ(**{name: SETTINGS[name]})
    if ignored == "environment":
        files.environ(AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="TRUE")
    session = botocore.session.Session()
    provider = ConfiguredEndpointProvider(session.full_config, session.get_scoped_config(), "dynamodb")
    theirs = None if session.get_config_variable("ignore_configured_endpoint_urls") else provider.provide()
    assert resolve_endpoint(DynamoDbConfig()) == ("eu-west-3", theirs or "https://dynamodb.eu-west-3.amazonaws.com")


def test_the_order_is_that_of_a_client(files: Files) -> None:
    """The same through a whole boto3 client, with everything said and with everything ignored."""
    files.config(
        "[default]\nregion = eu-west-3\nendpoint_url = http://profile\nignore_configured_endpoint_urls = true\n"
    )
    for environ in ({}, {"AWS_ENDPOINT_URL": "http://g"}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}):
        files.environ(**environ)
        client = boto3.Session().client("dynamodb", aws_access_key_id="a", aws_secret_access_key="b")
        assert resolve_endpoint(DynamoDbConfig()) == ("eu-west-3", client.meta.endpoint_url)


@pytest.mark.parametrize(("variables", "region"), [
    ({"AWS_DEFAULT_PROFILE": "p"}, "p-1"),
    ({"AWS_PROFILE": "q"}, "q-1"),
    ({"AWS_DEFAULT_PROFILE": "p", "AWS_PROFILE": "q"}, "p-1"),
    ({"AWS_PROFILE": "q", "AWS_DEFAULT_REGION": "e-1"}, "e-1"),
    ({}, "d-1"),
    ({"AWS_PROFILE": ""}, "d-1"),
    ({"AWS_PROFILE": "only-credentials"}, "c-1"),
])  # fmt: skip
def test_the_profile_is_that_of_botocore(files: Files, variables: dict[str, str], region: str) -> None:
    """AWS_DEFAULT_PROFILE before AWS_PROFILE, as botocore has it; else the default. A profile may be in either file."""
    files.config("[default]\nregion=d-1\n[profile p]\nregion=p-1\n[profile 'q']\nregion=q-1\n[q]\nregion=no-profile\n")
    files.credentials("[only-credentials]\nregion = c-1\n").environ(**variables)
    assert resolve_endpoint(DynamoDbConfig())[0] == region
    if "" not in variables.values():
        assert boto3.Session().region_name == region


@pytest.mark.parametrize("region", ["fips-us-east-1", "us-east-1-fips", "eu-central-1"])
def test_pseudo_regions_ask_for_fips(files: Files, region: str) -> None:
    """``fips-us-east-1`` is us-east-1 with FIPS, as for botocore: endpoint and signature."""
    files.environ(AWS_REGION=region, AWS_ACCOUNT_ID_ENDPOINT_MODE="disabled")
    client = botocore.session.Session().create_client(
        "dynamodb", region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    place = resolve(DynamoDbConfig())
    assert (place.region, place.endpoint.url) == (client.meta.region_name, client.meta.endpoint_url)


@pytest.mark.parametrize("region", ["-", "-us-east-1", "us-east-1-", "us-east-1.evil.example", "x" * 64, ""])
def test_what_is_no_label_of_a_host_is_no_region(region: str) -> None:
    """botocore refuses the same."""
    with pytest.raises(ConfigurationError, match="region"):
        DynamoDbConfig(region=region)


def test_an_emulator_in_the_profile_is_not_passed_over(files: Files) -> None:
    """The worst of it: keys in the environment and a profile that points at an emulator must not reach real AWS."""
    files.config("[default]\nregion = eu-west-1\nendpoint_url = http://localhost:4566\n")
    files.environ(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    assert resolve_endpoint(DynamoDbConfig())[1] == "http://localhost:4566"
    assert resolve_endpoint(DynamoDbConfig(region="us-east-1"))[1] == "http://localhost:4566"
    assert resolve_endpoint(DynamoDbConfig(credentials=KEYS))[1] == "http://localhost:4566"


def test_sessions_bring_their_profile(files: Files) -> None:
    """A session that was handed in settles everything by its own profile, not the environment's; boto3 clients too."""
    files.config(
        "[default]\nregion = eu-west-1\n"
        "[profile emulator]\nregion = eu-west-2\nservices = local\n[services local]\ndynamodb =\n  endpoint_url = http://e:1\n"
        "[profile fips]\nregion = us-east-2\nuse_fips_endpoint = true\nca_bundle = /bundle\n"
        "aws_access_key_id = a\naws_secret_access_key = b\n"
    )
    assert resolve_endpoint(DynamoDbConfig(credentials=boto3.Session(profile_name="emulator"))) == (
        "eu-west-2",
        "http://e:1",
    )
    inner = botocore.session.Session(profile="fips")
    for session in (inner, boto3.Session(profile_name="fips")):
        config = DynamoDbConfig(credentials=session)
        place = resolve(config)
        assert (place.endpoint.url, place.ca_bundle) == ("https://dynamodb-fips.us-east-2.amazonaws.com", "/bundle")
        assert aws_client(config, "cloudwatch").meta.endpoint_url == "https://monitoring-fips.us-east-2.amazonaws.com"


def test_boto3_clients_beside_an_emulator_go_there(files: Files) -> None:
    """Where only DynamoDB's endpoint stands in the profile, the other services of admin are asked there, not at AWS."""
    files.config("[default]\nregion = eu-west-1\nservices = s\n[services s]\ndynamodb =\n  endpoint_url = http://e:1\n")
    assert aws_client(DynamoDbConfig(credentials=KEYS), "cloudwatch").meta.endpoint_url == "http://e:1"


@pytest.mark.parametrize("where", ["environment", "profile"])
def test_switches_from_everywhere(files: Files, where: str) -> None:
    """FIPS, dual-stack, account mode and CA bundle, from the environment and from the profile."""
    for fips, dual in itertools.product(("true", "false"), repeat=2):
        chosen = {"use_fips_endpoint": fips, "use_dualstack_endpoint": dual, "account_id_endpoint_mode": "disabled"}
        if where == "profile":
            files.config("\n".join(["[default]", *(f"{name} = {value}" for name, value in chosen.items())]))
        else:
            files.environ(**{f"AWS_{name.upper()}": value for name, value in chosen.items()})
        theirs = boto3.Session().client("dynamodb", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        assert resolve_endpoint(DynamoDbConfig(region="eu-central-1"))[1] == theirs.meta.endpoint_url


def test_bundles_have_botocores_order(files: Files) -> None:
    """AWS_CA_BUNDLE, then the profile's, then REQUESTS_CA_BUNDLE."""
    config = DynamoDbConfig(region="eu-central-1")
    assert resolve(config).ca_bundle is None
    files.environ(REQUESTS_CA_BUNDLE="/requests")
    assert resolve(config).ca_bundle == "/requests"
    files.config("[default]\nca_bundle = /profile\n")
    assert resolve(config).ca_bundle == "/profile"
    files.environ(AWS_CA_BUNDLE="/variable")
    assert resolve(config).ca_bundle == "/variable"


def test_an_endpoint_is_not_taken_for_a_fips_one(files: Files) -> None:
    """FIPS or dual-stack with an endpoint of another kind is refused, as by botocore, and not forgotten."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
        for url in (
            "http://localhost:8000",
            "https://dynamodb.us-east-1.amazonaws.com",
            "https://dynamodb-fips.evil.com",
        ):
            with pytest.raises(ConfigurationError, match="not a FIPS endpoint"):
                resolve(DynamoDbConfig(region="us-east-1", endpoint_url=url))
        vpc = "https://vpce-1.dynamodb-fips.us-east-1.vpce.amazonaws.com"
        assert resolve_endpoint(DynamoDbConfig(endpoint_url=vpc)) == ("us-east-1", vpc)
        home = DynamoDbConfig(region="us-east-1", home_region="us-west-2").at_home()
        assert resolve_endpoint(home) == ("us-west-2", "https://dynamodb-fips.us-west-2.amazonaws.com")
    files.environ(AWS_USE_DUALSTACK_ENDPOINT="true", AWS_ENDPOINT_URL="http://localhost:8000")
    with pytest.raises(ConfigurationError, match="use_dualstack_endpoint"):
        resolve(DynamoDbConfig(region="us-east-1"))


def test_the_account_of_the_credentials_has_its_own_endpoint(files: Files) -> None:
    """As with botocore: preferred where the account is known, wherever it is said; disabled and required are heeded."""

    def signs_at(config: DynamoDbConfig) -> str:
        client = Client(config)
        client._signing.open()  # no other way to see it without a request
        endpoint = client._signing.endpoint
        assert endpoint is not None
        return endpoint.host

    keys = Credentials(access_key_id="a", secret_access_key="b", account_id="111122223333")
    config = DynamoDbConfig(region="eu-central-1", credentials=keys)
    assert signs_at(config) == "111122223333.ddb.eu-central-1.amazonaws.com"
    files.credentials("[default]\naws_access_key_id=a\naws_secret_access_key=b\naws_account_id=222222222222\n")
    assert signs_at(DynamoDbConfig(region="eu-central-1")) == "222222222222.ddb.eu-central-1.amazonaws.com"
    files.environ(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_ACCOUNT_ID="333333333333")
    assert signs_at(DynamoDbConfig(region="eu-central-1")) == "333333333333.ddb.eu-central-1.amazonaws.com"
    files.environ(AWS_ACCOUNT_ID="evil.com/")
    with pytest.raises(ConfigurationError, match="not a number of 12 digits"):
        signs_at(DynamoDbConfig(region="eu-central-1"))
    files.environ(AWS_ACCOUNT_ID_ENDPOINT_MODE="disabled")
    assert signs_at(config) == "dynamodb.eu-central-1.amazonaws.com"
    files.environ(AWS_ACCOUNT_ID_ENDPOINT_MODE="required")
    with pytest.raises(ConfigurationError, match="AWS_ACCOUNT_ID"):
        signs_at(DynamoDbConfig(region="eu-central-1", credentials=KEYS))
    with pytest.raises(ConfigurationError, match="home_endpoint_url"):
        DynamoDbConfig(region="eu-central-1", home_region="us-east-1").at_home()
    files.environ(AWS_ACCOUNT_ID_ENDPOINT_MODE="sometimes")
    with pytest.raises(ConfigurationError, match="'preferred', 'disabled' or 'required'"):
        signs_at(DynamoDbConfig(region="eu-central-1", credentials=KEYS))


@pytest.mark.parametrize(("config", "words"), [
    ("[profile q]\nservices = gone\n", r"no section \[services gone\]"),
    ("[profile other]\n", "no AWS profile 'q' .there is: other"),
    ("", "no AWS profile 'q' .there is: none"),
    ("secret without a section\n", "not a valid AWS configuration file"),
    ("[profile q]\n[profile q]\n", "not a valid AWS configuration file"),
    ("[profile q]\ns3 =\n  no equals sign: secret\n", "not a valid AWS configuration file"),
    ("[profile q]\nregion = eu-west-1\nendpoint_url = localhost:8000\n", "the endpoint in the AWS settings: 'local"),
    ("[profile q]\nregion = Frankfurt, please\n", "the AWS region: 'Frankfurt, please' is not a valid region"),
])  # fmt: skip
def test_mistakes_in_the_files_are_told(files: Files, config: str, words: str) -> None:
    """Which file or setting, never a line of it: it may be a key."""
    files.config(config).environ(AWS_PROFILE="q")
    with pytest.raises(ConfigurationError, match=words) as told:
        resolve_endpoint(DynamoDbConfig())
    assert "secret" not in str(told.value)
    assert told.value.__cause__ is None


_names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
_values = st.text(string.ascii_letters + string.digits + " ./:%=#;'\"", max_size=12)
_lines = st.one_of(
    st.builds("[{}]".format, st.sampled_from(["default", "profile a", "profile 'a b'", "services a", "a", "DEFAULT"])),
    st.builds("{} = {}".format, st.one_of(_names, st.sampled_from(["endpoint_url", "services", "region"])), _values),
    st.builds("  {} = {}".format, st.sampled_from(["endpoint_url", "x"]), _values),
    st.sampled_from(["dynamodb =", "services = a", "", "# remark", "; remark", "odd line"]),
)  # fmt: skip


@given(config=st.lists(_lines, max_size=14), credentials=st.lists(_lines, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_as_botocore_reads_it(tmp_path: Path, config: list[str], credentials: list[str]) -> None:
    """Whatever stands in the two files: the same profile and the same endpoint, or both refuse."""
    texts = {"config": "\n".join(config), "credentials": "\n".join(credentials)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for profile in (None, "a", "a b"):
        theirs: Any
        session = botocore.session.Session(profile=profile)
        session.set_config_variable("config_file", str(tmp_path / "config"))
        session.set_config_variable("credentials_file", str(tmp_path / "credentials"))
        try:
            scoped = session.get_scoped_config()
            provider = ConfiguredEndpointProvider(session.full_config, scoped, "dynamodb", environ={})
            theirs = (dict(scoped), provider.provide() or None)
        except BotoCoreError:
            theirs = None
        except AttributeError:
            continue  # botocore's own: a setting where it expects a block
        try:
            found = find_profile(profile, ("config", texts["config"]), ("credentials", texts["credentials"]))
            ours: Any = (dict(found.values), found.endpoint_url("dynamodb") or None)
        except ConfigurationError:
            ours = None
        assert ours == theirs


def test_the_page_lists_every_setting_of_botocore() -> None:
    """docs/aws-settings.md stays complete: each variable of this botocore has a row, and no row is left over."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "aws-settings.md").read_text(encoding="utf-8")
    section = page.split("<!-- botocore -->")[1]
    rows = {row.group(1): row.group(0) for row in re.finditer(r"^\| `(\w+)` \|.*$", section, re.MULTILINE)}
    assert set(rows) == set(BOTOCORE_DEFAUT_SESSION_VARIABLES)
    for name, (in_file, variable, *_) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        for spelling in [in_file, *(variable if isinstance(variable, list) else [variable])]:
            assert spelling is None or f"`{spelling}`" in rows[name], (name, spelling)
        assert re.search(r"\| (yes|by botocore|no) \|", rows[name]), name


class Sts:
    """A server that says one thing to whoever asks."""

    def __init__(self, status: int, code: str, message: str) -> None:
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            "<RequestId>r-1</RequestId></ErrorResponse>"
        ).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Sts:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


ROLE = "arn:aws:iam::111122223333:role/torii"


@pytest.mark.parametrize(("answer", "kind", "words"), [
    ((403, "AccessDenied", f"not authorized to perform: sts:AssumeRole on: {ROLE}"), AccessDenied, f"on: {ROLE}; a"),
    ((403, "AccessDenied", "no"), AccessDenied, f"AssumeRole: AccessDenied: no; the role is {ROLE}"),
    ((400, "ValidationError", "no"), AccessDenied, ROLE),
    ((403, "RegionDisabledException", "no"), AccessDenied, "RegionDisabled"),
    ((429, "Whatever", "later"), Unavailable, "later"),
])  # fmt: skip
def test_a_role_that_is_refused_is_told(
    files: Files, answer: tuple[int, str, str], kind: type[ToriiError], words: str
) -> None:
    """STS says no: AccessDenied, which role, and no outage that is tried again."""
    files.config(f"[default]\nregion = eu-central-1\nrole_arn = {ROLE}\nsource_profile = keys\n")
    files.credentials("[keys]\naws_access_key_id = a\naws_secret_access_key = b\n")
    with Sts(*answer) as sts:
        files.environ(AWS_ENDPOINT_URL_STS=sts.url)
        with pytest.raises(kind, match=words) as told:
            ChainSource().load()
        assert told.value.request_id == "r-1"


def test_the_role_of_a_session_is_told(files: Files) -> None:
    """The profile of the session that was handed in, whatever the environment names."""
    files.config(f"[profile p]\nregion = eu-central-1\nrole_arn = {ROLE}\nsource_profile = keys\n")
    files.credentials("[keys]\naws_access_key_id = a\naws_secret_access_key = b\n").environ(AWS_PROFILE="nobody")
    with Sts(403, "AccessDenied", "no") as sts:
        files.environ(AWS_ENDPOINT_URL_STS=sts.url)
        for session in (boto3.Session(profile_name="p"), botocore.session.Session(profile="p")):
            with pytest.raises(AccessDenied, match=ROLE):
                ChainSource(session).load()


def test_a_web_identity_that_is_refused_names_its_role(files: Files, tmp_path: Path) -> None:
    """The environment's role, as on EKS: STS' words do not name it, ours do."""
    (tmp_path / "token").write_text("hushhush")
    files.environ(
        AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"), AWS_DEFAULT_REGION="eu-west-1"
    )
    with Sts(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity") as sts:
        files.environ(AWS_ENDPOINT_URL_STS=sts.url)
        with pytest.raises(AccessDenied, match=f"AssumeRoleWithWebIdentity.*{ROLE}") as told:
            Client(DynamoDbConfig()).call("GetItem", {})
    assert "hushhush" not in str(told.value)


def test_an_sts_that_is_not_there_is_an_outage(files: Files) -> None:
    """Nobody listens where the role is asked for: that is no wrong set-up, and passes."""
    files.config(f"[default]\nregion = eu-central-1\nrole_arn = {ROLE}\nsource_profile = keys\n")
    files.credentials("[keys]\naws_access_key_id = a\naws_secret_access_key = b\n")
    files.environ(AWS_ENDPOINT_URL_STS="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    with pytest.raises(Unavailable, match="could not be fetched"):
        ChainSource().load()


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Not the developer's caches of credentials."""
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    assert os.environ["HOME"] == str(tmp_path)
