"""The connection to AWS that a provider's configuration describes: clients, account, region, default tags.

A lab command never talks to anything but a loopback endpoint, so every client is looked at before its first call,
wherever its endpoint came from (AWS_ENDPOINT_URL, a profile). Left out: the configuration's own endpoints, SSO, web
identity, FIPS and dual-stack endpoints.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from lab.loopback import is_loopback
from lab.provider.errors import RefusedError

if TYPE_CHECKING:
    import boto3

CONFIGURATION = frozenset(
    {
        "accessKey", "allowedAccountIds", "assumeRoles", "defaultTags", "forbiddenAccountIds", "ignoreTags", "profile",
        "region", "s3UsePathStyle", "secretKey", "skipCredentialsValidation", "skipMetadataApiCheck",
        "skipRegionValidation", "skipRequestingAccountId", "stsRegion", "token",
    }
)  # fmt: skip
"""The provider's arguments that the stand-in honours; the check refuses others."""

# The real provider retries 25 times; an emulator on this machine answers or it isn't there.
_ATTEMPTS = 10
_FIRST_ATTEMPTS = 3
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_CONNECTIONS = 32


@dataclass(frozen=True)
class Configuration:
    """The provider's arguments, decoded: pulumi_aws hands over everything but texts as JSON."""

    values: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        """Return a text argument; an empty one counts as not set."""
        return self.values.get(name) or None

    def flag(self, name: str) -> bool:
        """Return a boolean argument, false if it isn't set."""
        return self.values.get(name) in (True, "true")

    def items(self, name: str) -> list[Any]:
        """Return a list argument, empty if it isn't set."""
        value = self.values.get(name) or []
        return value if isinstance(value, list) else [value]


def decoded(arguments: Mapping[str, Any]) -> Configuration:
    """Return the provider's arguments with JSON texts taken apart. Raises RefusedError for a broken one."""
    values = dict(arguments)
    for name, value in values.items():
        if isinstance(value, str) and value[:1] in ("[", "{"):
            try:
                values[name] = json.loads(value)
            except ValueError as error:
                raise RefusedError(f"the provider's {name} isn't JSON: {error}") from None
    return Configuration({name: value for name, value in values.items() if value is not None})


@dataclass
class Connection:
    """An open connection; `connect` makes it."""

    session: boto3.Session
    configuration: Configuration
    region: str
    account: str = ""
    default_tags: Mapping[str, str] = field(default_factory=dict)
    ignored_tags: frozenset[str] = frozenset()
    """Keys of tags that are neither read nor removed (terraform-provider-aws, internal/tags, IgnoreConfig)."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def partition(self) -> str:
        """The partition of the region: `aws`."""
        return str(self.session.get_partition_for_region(self.region))

    @property
    def dns_suffix(self) -> str:
        """The domain of the partition's endpoints and service names."""
        return {"aws-cn": "amazonaws.com.cn"}.get(self.partition, "amazonaws.com")

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the one client of a service and region. Raises RefusedError if its endpoint isn't loopback."""
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._new_client(*key, attempts=_ATTEMPTS)
            return self._clients[key]

    def _new_client(self, service: str, region: str, attempts: int) -> Any:
        from botocore.config import Config

        # The stubs know each service by its literal name.
        new_client: Any = self.session.client
        client = new_client(
            service,
            region_name=region,
            config=Config(
                retries={"mode": "standard", "max_attempts": attempts},
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                max_pool_connections=_CONNECTIONS,
                # A proxy from the environment would carry what is meant for this machine off it.
                proxies={},
                s3={"addressing_style": "path"},
            ),
        )
        refuse_unless_loopback(client.meta.endpoint_url, f"{service}'s endpoint")
        # Redirects and per-operation hosts can leave the endpoint that a client was made with.
        client.meta.events.register("before-send", _refuse_request)
        return client


def connect(configuration: Configuration) -> Connection:
    """Return a connection as configured, its account known and allowed.

    Raises RefusedError if an endpoint isn't loopback, no region or credentials are given, or the account isn't allowed.
    """
    for variable, url in sorted(os.environ.items()):
        if variable.startswith("AWS_ENDPOINT_URL") and url:
            refuse_unless_loopback(url, variable)
    # boto3 takes 0.3 s to import, which the engine needn't wait for when it starts the provider.
    import boto3

    region = configuration.text("region") or os.environ.get("AWS_REGION") or None
    try:
        session = boto3.Session(
            region_name=region,
            profile_name=configuration.text("profile"),
            aws_access_key_id=configuration.text("accessKey"),
            aws_secret_access_key=configuration.text("secretKey"),
            aws_session_token=configuration.text("token"),
        )
        if not session.region_name:
            raise RefusedError(
                "Missing region configuration: set the provider's region, or `aws:region`, or AWS_REGION"
            )
        if not configuration.flag("skipRegionValidation") and session.region_name not in _all_regions(session):
            raise RefusedError(f"invalid AWS Region: {session.region_name}")
        connection = Connection(session, configuration, session.region_name)
        for role in configuration.items("assumeRoles"):
            connection = _assume(connection, role)
        if not (configuration.flag("skipCredentialsValidation") and configuration.flag("skipRequestingAccountId")):
            sts = connection._new_client("sts", session.region_name, _FIRST_ATTEMPTS)
            connection.account = sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise RefusedError(f"the provider's credentials or endpoint can't be used: {error}") from None
    _refuse_account(connection)
    connection.default_tags = dict((configuration.values.get("defaultTags") or {}).get("tags") or {})
    connection.ignored_tags = frozenset((configuration.values.get("ignoreTags") or {}).get("keys") or ())
    return connection


def refuse_unless_loopback(url: str, what: str) -> None:
    """Raise RefusedError unless the URL's host is this machine's loopback."""
    if "//" not in url or not is_loopback(urlsplit(url).hostname or ""):
        raise RefusedError(
            f"{what} is {url}; the lab's stand-in for AWS talks to loopback endpoints only. "
            "Start the lab and export what `eps-dos lab env` prints"
        )


def _refuse_request(request: Any, **_kwargs: Any) -> None:
    refuse_unless_loopback(request.url, "a request's host")


def _assume(connection: Connection, role: Mapping[str, Any]) -> Connection:
    import boto3

    arguments = {
        "RoleArn": role.get("roleArn"),
        "RoleSessionName": role.get("sessionName") or "pulumi-resource-aws",
        "ExternalId": role.get("externalId"),
        "Policy": role.get("policy"),
    }
    answer = connection._new_client("sts", connection.region, _FIRST_ATTEMPTS).assume_role(
        **{name: value for name, value in arguments.items() if value}
    )
    credentials = answer["Credentials"]
    session = boto3.Session(
        region_name=connection.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
    return Connection(session, connection.configuration, connection.region)


def _refuse_account(connection: Connection) -> None:
    # The words are the real provider's (internal/conns/config.go and aws-sdk-go-base's ValidateAccountID).
    configuration = connection.configuration
    allowed = configuration.items("allowedAccountIds") or [connection.account]
    if connection.account not in allowed or connection.account in configuration.items("forbiddenAccountIds"):
        raise RefusedError(f"AWS account ID not allowed: {connection.account}")


def _all_regions(session: boto3.Session) -> set[str]:
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition_name=partition)
    }
