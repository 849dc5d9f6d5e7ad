"""Secrets as people write them and harmless texts, to measure redaction with: neither was made from its patterns.

The forms are those that each tool's own documentation shows for its settings; the secrets in them are generated. What
is harmless comes from AWS's own examples of its APIs (in botocore) and from what plans, policies and messages say.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore

FORMS: tuple[tuple[str, str, str], ...] = (
    # Tool or document, a form with the secret as {}, what of it must stay readable.
    ("docker run", "docker run -d --name db -e MYSQL_ROOT_PASSWORD={} --network app mysql:8.4", "--network app"),
    ("docker login", "docker login --username ci --password {} registry.example.org", "--username ci"),
    ("docker compose", "    environment:\n      POSTGRES_PASSWORD: {}\n      POSTGRES_DB: dos\n", "POSTGRES_DB: dos"),
    ("docker compose, list", "environment:\n  - POSTGRES_PASSWORD={}\n  - POSTGRES_DB=dos", "POSTGRES_DB=dos"),
    ("dotenv", "REGION=eu-west-2\nSECRET_KEY={}\nDEBUG=false\n", "DEBUG=false"),
    ("dotenv, quoted", 'APP_KEY_ID=7\nDATABASE_PASSWORD="{}"\nDATABASE_HOST=db', "DATABASE_HOST=db"),
    ("systemd", 'Environment="API_TOKEN={}" "LOG_LEVEL=info"', "LOG_LEVEL=info"),
    ("shell", "export VAULT_TOKEN={} && vault status", "vault status"),
    ("psql", "PGPASSWORD={} psql --host db --username dos", "--username dos"),
    ("libpq", "host=db.internal port=5432 user=dos password='{}' sslmode=require", "sslmode=require"),
    ("JDBC", "jdbc:postgresql://db/dos?user=app&password={}&ssl=true", "ssl=true"),
    ("ADO.NET", "Server=db;Database=dos;User Id=app;Password={};Encrypt=True;", "Encrypt=True"),
    ("Azure storage", "DefaultEndpointsProtocol=https;AccountName=dos;AccountKey={};EndpointSuffix=core.windows.net",
     "EndpointSuffix=core.windows.net"),
    ("Azure Service Bus", "Endpoint=sb://dos/;SharedAccessKeyName=Root;SharedAccessKey={}", "SharedAccessKeyName=Root"),
    ("SQLAlchemy", "postgresql+psycopg://dos:{}@db.internal:5432/dos", "db.internal:5432/dos"),
    ("amqp", "amqps://guest:{}@mq.internal/vhost", "@mq.internal/vhost"),
    ("git remote", "git clone https://oauth2:{}@git.example.org/eps/dos.git", "git.example.org/eps/dos.git"),
    ("redis-cli", "rediss://:{}@cache:6380/0", "cache:6380/0"),
    ("proxy", "http_proxy=http://svc:{}@proxy:3128 yum update", "proxy:3128"),
    ("S3 presigned", "https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={}&X-Amz-Expires=60",
     "X-Amz-Expires=60"),
    ("SAS", "https://a.blob.core.windows.net/c?sv=2024-11-04&sig={}&se=2026-12-01", "sv=2024-11-04"),
    ("OAuth 2.0", "grant_type=client_credentials&client_id=dos&client_secret={}", "client_id=dos"),
    ("OAuth 2.0, answer", '{"access_token":"{}","token_type":"Bearer","expires_in":3600}', '"expires_in":3600'),
    ("curl -u", "curl -sS -u 'svc:{}' https://api.example.org/v1", "https://api.example.org/v1"),
    ("curl --user", "curl --user svc:{} --fail https://api.example.org", "--fail"),
    ("curl -H", "curl -H 'X-Api-Key: {}' https://api.example.org", "https://api.example.org"),
    ("HTTP", "GET / HTTP/1.1\nAuthorization: Bearer {}\nAccept: text/plain", "Accept: text/plain"),
    ("HTTP, cookie", "Cookie: session={}\nHost: example.org", "Host: example.org"),
    ("wget", "wget --password={} --user=svc ftp://host/file", "--user=svc"),
    ("aws configure", "[default]\naws_secret_access_key = {}\nregion = eu-west-2", "region = eu-west-2"),
    ("npm", "//npm.example.org/:_authToken={}\nfund=false", "fund=false"),
    ("pip", "index-url = https://user:{}@pypi.example.org/simple", "pypi.example.org/simple"),
    ("pypirc", "[pypi]\nusername = __token__\npassword = {}\n", "__token__"),
    ("my.cnf", "[client]\nuser = dos\npassword = {}\nport = 3306", "port = 3306"),
    ("Spring, YAML", "spring:\n  datasource:\n    password: {}\n    url: jdbc:h2:mem", "url: jdbc:h2:mem"),
    ("Spring, properties", "spring.datasource.password={}\nspring.jpa.show-sql=false", "spring.jpa.show-sql=false"),
    ("appsettings.json", '{"Smtp": {"Host": "smtp", "Password": "{}"}}', '"Host": "smtp"'),
    ("camelCase", '{"dbPassword":"{}","dbUser":"dos"}', '"dbUser":"dos"'),
    ("camelCase, CloudFormation", "MasterUserPassword: {}\nMasterUsername: dos", "MasterUsername: dos"),
    ("CloudFormation", '{"ParameterKey": "DbPassword", "ParameterValue": "{}"}', "DbPassword"),
    ("ECS", '{"environment": [{"name": "DB_PASSWORD", "value": "{}"}, {"name": "REGION", "value": "eu-west-2"}]}',
     "eu-west-2"),
    ("ECS, the other way", '{"environment": [{"value": "{}", "name": "DB_PASSWORD"}]}', "DB_PASSWORD"),
    ("Kubernetes", "env:\n- name: DB_PASSWORD\n  value: {}\n- name: REGION\n  value: eu-west-2", "value: eu-west-2"),
    ("Kubernetes, Secret", "kind: Secret\nstringData:\n  password: {}\n  user: dos", "user: dos"),
    ("kubeconfig", "users:\n- name: ci\n  user:\n    token: {}\n", "name: ci"),
    ("cloud-init", "#cloud-config\npassword: {}\nchpasswd: {expire: false}", "expire: false"),
    ("YAML block", "tls:\n  private_key: |\n    {}\n    {}\n  port: 443", "port: 443"),
    ("YAML folded", "api_token: >-\n  {}\nregion: eu-west-2", "region: eu-west-2"),
    ("YAML flow", "db: {user: dos, password: {}, port: 5432}", "port: 5432"),
    ("JSON in JSON", '{"body": "{\\"apiKey\\": \\"{}\\", \\"id\\": 7}"}', "id"),
    ("JSON, escaped name", '{"pass\\u0077ord": "{}", "user": "dos"}', '"user": "dos"'),
    ("URL, encoded name", "https://host/login?user=dos&pass%77ord={}", "user=dos"),
    ("zero width", "pass\u200bword={} --region eu-west-2", "--region eu-west-2"),
    ("Terraform", 'identifier = "dos"\nmaster_password = "{}"\nengine = "postgres"', 'engine = "postgres"'),
    ("PowerShell", '$Password = "{}"\n$Region = "eu-west-2"', "eu-west-2"),
    ("PHP", "define('DB_PASSWORD', '{}');\ndefine('DB_HOST', 'db');", "'db'"),
    ("Python", 'SECRET_KEY = "{}"\nDEBUG = False', "DEBUG = False"),
    ("Ruby", 'config.secret_token => "{}"', "config"),
    ("Go", 'token := "{}"\nretries := 3', "retries := 3"),
    ("XML", '<server><username>dos</username><password>{}</password><id>x</id></server>', "<username>dos</username>"),
    ("web.config", '<add key="ApiSecret" value="{}" />', "<add key="),
    ("redis.conf", "port 6379\nrequirepass {}\n", "port 6379"),
    ("netrc", "machine git.example.org login ci password {}\n", "login ci"),
    ("WireGuard", "[Interface]\nPrivateKey = {}\nListenPort = 51820", "ListenPort = 51820"),
    ("Ansible", "ansible_become_pass: {}\nansible_user: dos", "ansible_user: dos"),
    ("GitHub Actions", "env:\n  DEPLOY_KEY: {}\n  NODE_ENV: production", "NODE_ENV: production"),
    ("Jenkins", "sshpass -p {} ssh root@host uptime", "ssh root@host"),
    ("MongoDB", "mongodb+srv://dos:{}@cluster0.example.mongodb.net/?retryWrites=true", "retryWrites=true"),
    ("log", 'level=info msg="signed in" token={} user=dos', "user=dos"),
    ("error", "AccessDenied: credentials=[secret] invalid for password={}", "AccessDenied"),
)  # fmt: skip

HARMLESS = (
    "SECRETS_REGION=eu-west-2",
    "SECRETS_PROVIDER=awskms SECRETS_REGION=eu-west-2 TOKEN_URL=https://sts.eu-west-2.amazonaws.com",
    "arn:aws:secretsmanager:eu-west-2:123456789012:secret:eps-dos-api/live-a1B2c3",
    "httpTokens: required",
    "passwordPolicy: minimumLength 14",
    "tokenEndpoint: https://login.example.org/oauth2/token",
    "secretName: eps-dos-api/live",
    "The token is required, and the password is not shown here.",
    "https://example.org:8443/path?email=ops@example.org",
    "ssh://git@example.org/eps/dos.git",
    "git@example.org:eps/dos.git",
    "password: ${DB_PASSWORD}",
    "password: {{ vault_password }}",
    "--password-stdin --region eu-west-2",
    "--token-ttl 3600",
    "credentialsProvider: aws",
    "max_tokens=4096",
    "publicKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ4kZQ1cPqJ3aKXvNnXyTqO5mR0uV8bW7sE2dF6gH9jL ops@example.org",
    "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "ami-0abcdef1234567890 subnet-0bb1c79de3EXAMPLE eipalloc-2a36df91020e41c95",
    "vpce-svc-0123456789abcdef0.eu-west-2.vpce.amazonaws.com",
    "NextToken=AAAAABBBBBCCCCC",
    "sns:eu-west-2:123456789012:live-alarms-2f8a9b1c",
    "key: Environment value: live",
    '{"key": "Owner", "value": "eps"}',
    '{"name": "SECRETS_REGION", "value": "eu-west-2"}',
    "author: Ann, authority: eps, signature_version: 4",
    "deregistration_delay.timeout_seconds=300 stickiness.type=source_ip",
    "kms:EncryptionContext:SecretARN",
    "rotate the secret before 2026-12-01",
    "compass: north, bypass: no",
    "curl -fsS https://127.0.0.1:443/health -o /dev/null",
    "-----BEGIN CERTIFICATE-----\nMIIBkTCB+wIJAKHHIG11ZZ7pMA0GCSqGSIb3DQEBCwUAMBExDzANBgNVBAMMBmRv\n"
    "-----END CERTIFICATE-----",
)

CREDENTIALS = frozenset({
    "AccessKeyId", "SecretAccessKey", "SessionToken", "Password", "NewPassword", "OldPassword", "MasterUserPassword",
    "KeyStorePassword", "LocalConsolePassword", "RandomPassword", "SecretString", "SecretBinary", "PrivateKey",
    "SAMLAssertion", "WebIdentityToken", "SecretToAuthenticateInitiator", "SecretToAuthenticateTarget", "GrantToken",
    "AuthToken", "Plaintext",
})  # fmt: skip
"""The properties of AWS's examples that hold credentials."""


def aws_examples() -> Iterator[tuple[str, Any]]:
    """Yield (service and operation, parameters or answer) of each example that AWS publishes with its APIs."""
    for path in sorted(Path(botocore.__file__).parent.glob("data/*/*/examples-1.json*")):
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for operation, examples in json.loads(content).get("examples", {}).items():
            for example in examples:
                for part in ("input", "output"):
                    yield f"{path.parent.parent.name}.{operation}", example.get(part) or {}
