"""What must hold of a graph: each rule with what keeps it and what breaks it."""

import importlib
import inspect
import json
from dataclasses import replace
from typing import Any

import pytest

from infra import rules
from infra.environment import SupplierArea
from infra.graph import UNKNOWN, Graph, Resource, policy_statements
from infra.recording import record
from infra.tags import REQUIRED_TAGS
from infra.types import (
    AWS_PROVIDER,
    BUCKET,
    EGRESS,
    EIP,
    INGRESS,
    LAUNCH_TEMPLATE,
    LOAD_BALANCER,
    METRIC_ALARM,
    PREFIX_LIST,
    ROLE,
    ROLE_POLICY,
    SCALING_GROUP,
    SECURITY_GROUP,
    TARGET_GROUP,
)
from tests.infra.sample import environment

BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"


@pytest.fixture(scope="module")
def recorded() -> Graph:
    return record(environment())


def changed(graph: Graph, type_: str, name: str, /, **inputs: Any) -> Graph:
    """Return `graph` with properties of one resource replaced."""
    resource = graph.one(type_, name)
    broken = replace(resource, inputs={**resource.inputs, **inputs})
    return Graph.of(graph.stack, [broken if one is resource else one for one in graph])


def without(graph: Graph, type_: str) -> Graph:
    """Return `graph` without the resources of a type."""
    return Graph.of(graph.stack, [one for one in graph if one.type != type_])


def broken_rules(graph: Graph) -> dict[str, str]:
    """Return rule -> message of the first that breaks it."""
    found: dict[str, str] = {}
    for violation in rules.violations(graph):
        found.setdefault(violation.rule, violation.message)
    return found


def test_the_program_breaks_none(recorded: Graph) -> None:
    assert rules.violations(recorded) == ()


def document_of(length: int) -> str:
    """Return a policy of so many characters to AWS, written with white space, which doesn't count."""
    empty = {"Id": "", "Statement": []}
    return json.dumps({**empty, "Id": "x" * (length - len(json.dumps(empty, separators=(",", ":"))))}, indent=4)


ONE_FAULT: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("tagged", "aws:ec2/vpc:Vpc", "live-vpc", {"tags": {}}, "lacks the tags CostCentre"),
    ("tagged", SCALING_GROUP, "live-service", {"tags": []}, "lacks the tags CostCentre"),
    ("tagged", SCALING_GROUP, "live-service",
     {"tags": [{"key": key, "value": "live", "propagateAtLaunch": False} for key in REQUIRED_TAGS]},
     "keeps CostCentre, Owner to itself"),
    ("tagged", LAUNCH_TEMPLATE, "live-service", {"tagSpecifications": []},
     "what it launches (instance): lacks the tags"),
    ("bounded", ROLE, "live-service", {"permissionsBoundary": None}, "has no permissions boundary"),
    ("only-443", INGRESS, "live-clients-in", {"fromPort": 22, "toPort": 22}, "opens tcp 22-22"),
    ("only-443", INGRESS, "live-clients-in", {"ipProtocol": "-1"}, "opens -1 443-443"),
    ("only-443", EGRESS, "live-service-out-s3", {"toPort": 65535}, "opens tcp 443-65535"),
    ("only-443", "aws:lb/listener:Listener", "live-listener", {"port": 80}, "listens on TCP 80"),
    ("only-443", "aws:ec2/securityGroup:SecurityGroup", "live-service", {"egress": [{}]}, "has rules inside it"),
    ("not-open-to-the-world", INGRESS, "live-clients-in", {"cidrIpv4": "0.0.0.0/0"}, "admits 0.0.0.0/0"),
    ("not-open-to-the-world", INGRESS, "live-clients-in", {"cidrIpv6": "::/0"}, "admits ::/0"),
    ("not-open-to-the-world", "aws:ec2/managedPrefixList:ManagedPrefixList", "live-clients",
     {"entries": [{"cidr": "0.0.0.0/0"}]}, "admits 0.0.0.0/0"),
    ("no-public-instances", "aws:ec2/subnet:Subnet", "live-private-eu-west-2a", {"mapPublicIpOnLaunch": True},
     "gives what starts in it a public address"),
    ("no-public-instances", LAUNCH_TEMPLATE, "live-service", {"networkInterfaces": []},
     "doesn't refuse a public address"),
    ("private-buckets", BLOCK, "live-dataset", {"blockPublicPolicy": False}, "leaves blockPublicPolicy off"),
    ("encrypted", LAUNCH_TEMPLATE, "live-service", {"blockDeviceMappings": []}, "names no volume"),
    ("encrypted", LAUNCH_TEMPLATE, "live-service",
     {"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "false"}}]},
     "doesn't encrypt the volume /dev/xvda"),
    ("versioned", "aws:s3/bucketVersioning:BucketVersioning", "live-dataset",
     {"versioningConfiguration": {"status": "Suspended"}}, "keeps no versions"),
    ("tls-only", "aws:s3/bucketPolicy:BucketPolicy", "live-dataset", {"policy": '{"Statement": []}'},
     "may be spoken to without TLS"),
    ("imds-v2", LAUNCH_TEMPLATE, "live-service", {"metadataOptions": {"httpTokens": "optional"}}, "without a token"),
    ("names-fit", "aws:lb/loadBalancer:LoadBalancer", "live-lb", {"name": "x" * 33}, "33 characters; AWS takes 32"),
    ("names-begin-as-they-may", LOAD_BALANCER, "live-lb", {"name": "internal-live"}, "begins with 'internal-'"),
    ("names-begin-as-they-may", SECURITY_GROUP, "live-service", {"name": "sg-live"}, "begins with 'sg-'"),
    ("names-begin-as-they-may", PREFIX_LIST, "live-clients", {"name": "com.amazonaws.live"}, "'com.amazonaws'"),
    ("policies-fit", ROLE, "live-service", {"assumeRolePolicy": document_of(2_049)},
     "has assumeRolePolicy of 2,049 characters; AWS takes 2,048"),
    ("role-policies-fit", ROLE_POLICY, "live-service", {"policy": document_of(10_241)},
     "is 10,241 characters long, with the others of its role; AWS takes 10,240"),
    ("scaling-keeps-to-the-schedule", SCALING_GROUP, "live-service", {"minSize": 0}, "scales in below what a schedule"),
    ("slow-starts-ring-nothing", METRIC_ALARM, "live-unhealthy-hosts", {"evaluationPeriods": 5},
     "rings after 300 s, and instances may take 300 s"),
    ("slow-starts-ring-nothing", METRIC_ALARM, "live-unhealthy-hosts", {"datapointsToAlarm": 3}, "rings after 180 s"),
    ("slow-starts-ring-nothing", SCALING_GROUP, "live-service", {"healthCheckGracePeriod": 600},
     "rings after 360 s, and instances may take 600 s"),
    ("may-leave-a-zone", TARGET_GROUP, "live-tg", {"targetHealthStates": None}, "takes no zonal shift of live-lb"),
    ("may-leave-a-zone", TARGET_GROUP, "live-tg",
     {"targetHealthStates": [{"enableUnhealthyConnectionTermination": True}]}, "ends connections to unhealthy targets"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "type_", "name", "inputs", "message"), ONE_FAULT)
def test_one_fault_breaks_one_rule(
    recorded: Graph, rule: str, type_: str, name: str, inputs: dict[str, Any], message: str
) -> None:
    broken = broken_rules(changed(recorded, type_, name, **inputs))
    assert list(broken) == [rule]
    assert message in broken[rule]


@pytest.mark.parametrize(
    ("rule", "type_"),
    [
        ("private-buckets", BLOCK),
        ("encrypted", "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"),
        ("versioned", "aws:s3/bucketVersioning:BucketVersioning"),
        ("tls-only", "aws:s3/bucketPolicy:BucketPolicy"),
    ],
)
def test_a_setting_that_is_missing_breaks_the_rule_as_a_wrong_one_does(recorded: Graph, rule: str, type_: str) -> None:
    assert list(broken_rules(without(recorded, type_))) == [rule]


def test_another_environments_tag_is_found(recorded: Graph) -> None:
    vpc = recorded.one("aws:ec2/vpc:Vpc", "live-vpc")
    tags = {**vpc.inputs["tags"], "Environment": "nft"}  # type: ignore[dict-item]  # a mapping, as the program gives it
    assert "tagged Environment=nft; it belongs to live" in broken_rules(
        changed(recorded, "aws:ec2/vpc:Vpc", "live-vpc", tags=tags)
    )["tagged"]  # fmt: skip


def test_a_policy_that_is_not_known_yet_is_no_violation(recorded: Graph) -> None:
    unknown = changed(recorded, "aws:s3/bucketPolicy:BucketPolicy", "live-dataset", policy=UNKNOWN)
    assert rules.violations(unknown) == ()


def test_a_made_up_name_is_measured_with_what_pulumi_adds(recorded: Graph) -> None:
    long = Resource(
        urn="urn:pulumi:live::eps-dos-api::aws:lb/targetGroup:TargetGroup::" + "x" * 25,
        type="aws:lb/targetGroup:TargetGroup",
        inputs={"tags": recorded.one("aws:ec2/vpc:Vpc", "live-vpc").inputs["tags"]},
        outputs={},
    )
    assert "33 characters" in broken_rules(Graph.of("live", [long]))["names-fit"]


@pytest.mark.parametrize(("suppliers", "broken"), [(30, []), (40, ["policies-fit"])])
def test_a_bucket_policy_holds_so_many_suppliers(suppliers: int, broken: list[str]) -> None:
    areas = tuple(
        SupplierArea(supplier=f"{number}", prefix=f"suppliers/supplier-{number:02}/", account_id=f"{number:012}")
        for number in range(suppliers)
    )
    live = environment()
    graph = record(replace(live, dataset=replace(live.dataset, supplier_areas=areas)))
    assert list(broken_rules(graph)) == broken


def test_policies_of_a_role_count_together(recorded: Graph) -> None:
    def policy(name: str, role: Any, length: int) -> Resource:
        urn = f"urn:pulumi:live::eps-dos-api::{ROLE_POLICY}::{name}"
        return Resource(urn=urn, type=ROLE_POLICY, inputs={"role": role, "policy": document_of(length)}, outputs={})

    fitting = [policy("a", "one", 5_000), policy("b", "one", 5_240), policy("c", "two", 5_000)]
    assert broken_rules(Graph.of("live", fitting)) == {}
    assert broken_rules(Graph.of("live", [policy("a", UNKNOWN, 5_000), policy("b", UNKNOWN, 5_241)])) == {}
    over = rules.violations(Graph.of("live", [*fitting, policy("d", "one", 50)]))
    assert [violation.urn.rsplit("::", 1)[-1] for violation in over] == ["a", "b", "d"]


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {rule.name for rule in rules.RULES} == {rule for rule, *_ in ONE_FAULT}


def test_every_type_of_the_program_that_takes_tags_is_held_to_them(recorded: Graph) -> None:
    """The provider's classes say which types take a map of tags; the list in the rules can't fall behind them."""
    for type_ in {one.type for one in recorded if one.type.startswith("aws:")}:
        module_name, class_name = type_.removeprefix("aws:").split("/")[0], type_.rsplit(":", 1)[-1]
        resource_class = getattr(importlib.import_module(f"pulumi_aws.{module_name}"), class_name)
        takes_tags = "tags" in inspect.signature(resource_class._internal_init).parameters
        assert (type_ in rules.TAGGABLE or type_ == SCALING_GROUP) == takes_tags, type_


# --- Rules that need what only the stack knows ---

STACK = "pulumi:pulumi:Stack"
PUBLISHED = {"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"}


def deployed(
    published: Any = None,
    actual: Any = None,
    protect: bool = True,
    attached: tuple[Any, ...] = ("a", "b"),
    stack: str = "live",
) -> Graph:
    """Return a stack with two addresses at a load balancer, which has `published` some and would have `actual`."""

    def resource(type_: str, name: str, inputs: Any, outputs: Any, keep: bool = protect) -> Resource:
        urn = f"urn:pulumi:{stack}::eps-dos-api::{type_}::{name}"
        return Resource(urn=urn, type=type_, inputs=inputs, outputs=outputs, protect=keep)

    actual = PUBLISHED if actual is None else actual
    settings = {"eps-dos-api:virtualIps": published} if published is not None else {}
    mappings = [{"allocationId": one if one is UNKNOWN else f"eipalloc-{one}"} for one in attached]
    balancer = {"enableDeletionProtection": protect, "subnetMappings": mappings}
    addresses = actual if isinstance(actual, dict) else {}
    return Graph.of(
        stack,
        [
            resource(STACK, f"eps-dos-api-{stack}", {}, {"settings": settings, "virtualIps": actual}, keep=False),
            resource(LOAD_BALANCER, f"{stack}-lb", balancer, {}),
            resource(BUCKET, f"{stack}-dataset", {}, {}),
            *(
                resource(EIP, f"{stack}-vip-{zone}", {}, {"publicIp": one, "allocationId": f"eipalloc-{zone[-1]}"})
                for zone, one in addresses.items()
            ),
        ],
    )


def declared(name: str, graph: Graph) -> list[str]:
    """Return what breaks one of the declared rules."""
    (rule,) = [one for one in (*rules.DECLARED, rules.published_addresses()) if one.name == name]
    return [f"{violation.urn.rsplit('::', 1)[-1]} {violation.message}" for violation in rule.violations(graph)]


def test_published_addresses_the_balancer_at_them_and_lives_dataset_are_protected() -> None:
    assert declared("protected", deployed(published=PUBLISHED)) == []
    assert declared("protected", deployed(published=PUBLISHED, protect=False)) == [
        "live-vip-eu-west-2a is 192.0.2.1, which is published, and not protected",
        "live-vip-eu-west-2b is 192.0.2.2, which is published, and not protected",
        "live-lb is not protected; replacing it takes the published addresses out of service",
        "live-lb may be deleted in AWS; set enableDeletionProtection",
        "live-dataset is Live's dataset, and not protected",
    ]


def test_what_has_published_nothing_and_is_not_live_needs_no_protection() -> None:
    assert declared("protected", deployed(protect=False, stack="dev")) == []


@pytest.mark.parametrize(
    ("published", "actual", "attached", "said"),
    [
        (None, {"eu-west-2a": UNKNOWN}, (UNKNOWN,), []),
        (PUBLISHED, PUBLISHED, ("a", "b"), []),
        ('{"eu-west-2a": "192.0.2.1", "eu-west-2b": "192.0.2.2"}', PUBLISHED, ("a", "b"), []),
        (PUBLISHED, {**PUBLISHED, "eu-west-2b": "192.0.2.9"}, ("a", "b"),
         ["live-vip-eu-west-2b would be 192.0.2.9 in eu-west-2b; 192.0.2.2 is published"]),
        (PUBLISHED, {**PUBLISHED, "eu-west-2b": UNKNOWN}, ("a", "b"),
         ["eps-dos-api-live would have an address in eu-west-2b that is known only after the update; 192.0.2.2 is "
          "published"]),
        (PUBLISHED, UNKNOWN, ("a", "b"),
         ["eps-dos-api-live would have addresses that are known only after the update; some are published, and may not "
          "change"]),
        (PUBLISHED, {"eu-west-2a": "192.0.2.1"}, ("a",),
         ["eps-dos-api-live would have no address in eu-west-2b; 192.0.2.2 is published"]),
        (PUBLISHED, {**PUBLISHED, "eu-west-2c": "192.0.2.3"}, ("a", "b"), []),
        (PUBLISHED, {**PUBLISHED, "eu-west-2c": "192.0.2.3"}, ("a", "b", "c"),
         ["live-vip-eu-west-2c would take traffic in eu-west-2c at 192.0.2.3, which isn't published as the others are: "
          "reserve the zone, publish its address, then attach it"]),
        (PUBLISHED, {**PUBLISHED, "eu-west-2c": UNKNOWN}, ("a", "b", UNKNOWN),
         ["live-vip-eu-west-2c would take traffic in eu-west-2c at an address that is known only after the update, "
          "which isn't published as the others are: reserve the zone, publish its address, then attach it"]),
    ],
    ids=["nothing published", "as published", "as JSON", "another", "unknown", "all unknown", "gone", "reserved",
         "attached unpublished", "attached unknown"],
)  # fmt: skip
def test_published_addresses_stay_what_they_are(
    published: Any, actual: Any, attached: tuple[Any, ...], said: list[str]
) -> None:
    assert declared("published-addresses", deployed(published, actual, attached=attached)) == said


@pytest.mark.parametrize(
    ("actual", "kept", "broken"),
    [
        ({**PUBLISHED, "eu-west-2b": UNKNOWN}, ["192.0.2.2"], False),
        ({**PUBLISHED, "eu-west-2b": UNKNOWN}, ["192.0.2.1"], True),
        ({**PUBLISHED, "eu-west-2b": "192.0.2.9"}, ["192.0.2.2"], True),
        ({"eu-west-2a": "192.0.2.1"}, ["192.0.2.2"], True),
        (UNKNOWN, ["192.0.2.1", "192.0.2.2"], False),
        (UNKNOWN, ["192.0.2.1"], True),
    ],
)
def test_an_address_that_is_kept_for_its_stack_may_be_unknown_yet(actual: Any, kept: list[str], broken: bool) -> None:
    rule = rules.published_addresses(kept)
    assert bool(rule.violations(deployed(PUBLISHED, actual, attached=("a", "b")))) == broken


def test_an_ephemeral_environment_says_until_when_it_stays() -> None:
    lasting = record(environment("pr-7"))
    until = {**environment("pr-7").tags, "ExpiresAt": "2026-12-01T18:00:00Z"}
    expiring = record(environment("pr-7", tags=until))
    assert declared("expires", expiring) == []
    lacking = {message.split()[0] for message in declared("expires", lasting)}
    assert {"pr-7-vpc", "pr-7-lb", "pr-7-service", "pr-7-dataset"} <= lacking
    assert declared("expires", record(environment("int"))) == []


@pytest.mark.parametrize(
    ("stack", "allowed", "broken"),
    [("live", None, True), ("live", "[]", True), ("live", '["123456789012"]', False), ("live", ["123456789012"], False),
     ("nft", None, False)],
)  # fmt: skip
def test_live_names_the_accounts_that_it_may_be_deployed_to(stack: str, allowed: Any, broken: bool) -> None:
    provider = Resource(
        urn=f"urn:pulumi:{stack}::eps-dos-api::{AWS_PROVIDER}::aws",
        type=AWS_PROVIDER,
        inputs={"allowedAccountIds": allowed},
        outputs={},
    )
    assert bool(rules.account_allowed.violations(Graph.of(stack, [provider]))) == broken


def test_nobody_shares_lives_certificate() -> None:
    arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:live-certificate-a1b2c3"
    rule = rules.certificate_of_its_own(arn)
    sharing = environment("nft")
    sharing = replace(
        sharing,
        service=replace(
            sharing.service,
            certificate_secret_arn=arn,
            instance_configuration={**sharing.service.instance_configuration, "certificateSecretArn": arn},
        ),
    )
    assert {violation.urn.rsplit("::", 1)[-1] for violation in rule.violations(record(sharing))} == {"nft-service"}
    assert len(rule.violations(record(sharing))) == 2
    assert rule.violations(record(environment("nft"))) == ()
    assert rule.violations(record(replace(sharing, name="live"))) == ()
    assert rules.certificate_of_its_own(None).violations(record(sharing)) == ()


def role_policy(*statements: Any, stack: str = "nft") -> Graph:
    """Return a stack with one role that may do what `statements` say."""
    type_ = "aws:iam/rolePolicy:RolePolicy"
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    urn = f"urn:pulumi:{stack}::eps-dos-api::{type_}::{stack}-service"
    return Graph.of(stack, [Resource(urn=urn, type=type_, inputs={"policy": document}, outputs={})])


DATASET = ["arn:aws:s3:::live-data", "arn:aws:s3:::live-data/*"]
MAY_READ = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": DATASET}
MAY_PUT = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": DATASET}
NEVER_WRITES = {"Effect": "Deny", "NotAction": ["s3:GetObject", "s3:ListBucket"], "Resource": DATASET}


@pytest.mark.parametrize(
    ("graph", "broken"),
    [
        (role_policy(MAY_READ, NEVER_WRITES), False),
        (role_policy(MAY_READ, MAY_PUT, NEVER_WRITES), False),
        (role_policy(MAY_READ), True),
        (role_policy(MAY_PUT), True),
        (role_policy(MAY_PUT, stack="live"), False),
        (role_policy({**MAY_PUT, "Action": "*", "Resource": "*"}), True),
        (role_policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}), True),
        (role_policy({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}), True),
        (role_policy({**MAY_PUT, "Resource": "arn:aws:s3:::live-*"}), True),
        (role_policy({**MAY_PUT, "Resource": "arn:aws:s3:::own-data/*"}), False),
        (role_policy({"Effect": "Allow", "Action": "cloudwatch:PutMetricData", "Resource": "*"}), False),
        (role_policy(MAY_PUT, {**NEVER_WRITES, "NotAction": ["s3:PutObject"]}), True),
        (role_policy(MAY_PUT, {**NEVER_WRITES, "Resource": "arn:aws:s3:::own-data/*"}), True),
        (role_policy(MAY_PUT, {**NEVER_WRITES, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}), True),
        (role_policy(MAY_PUT, {"Effect": "Deny", "Action": "s3:PutObject", "Resource": DATASET}), True),
    ],
)
def test_nobody_but_live_may_write_lives_dataset(graph: Graph, broken: bool) -> None:
    assert bool(rules.reads_lives_dataset("live-data").violations(graph)) == broken
    assert rules.reads_lives_dataset(None).violations(graph) == ()


def test_the_environments_read_lives_dataset_only() -> None:
    for stack in ("nft", "int"):
        graph = record(environment(stack))
        statements = [
            statement
            for policy in graph.of_type("aws:iam/rolePolicy:RolePolicy")
            for statement in policy_statements(policy.inputs["policy"])
        ]
        (bucket,) = {
            str(statement["Resource"]).rsplit(":::", 1)[-1]
            for statement in statements
            if statement.get("Sid") == "ListDataset"
        }
        assert rules.reads_lives_dataset(bucket).violations(graph) == ()
