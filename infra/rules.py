"""What must hold of a graph, whoever reads it: tests, the policy pack, review and verify.

A rule is a pure function from a graph to what breaks it, with the source of the rule beside it. Rules look at inputs,
as a preview has them, so that what would break one never comes to be. Left out: what may differ between two
environments (`graph.compare`), and what only AWS can tell (quotas, whether an image exists).
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from infra import types
from infra.access import LONGEST_INLINE_POLICIES, LONGEST_MANAGED_POLICY, LONGEST_TRUST
from infra.environment import PORT
from infra.graph import UNKNOWN, Graph, Resource, Value, canonical_statement, json_document, policy_statements
from infra.naming import LIVE, NO_BALANCER_BEGINS, NO_SECURITY_GROUP_BEGINS, PERMANENT
from infra.settings import NAMESPACE
from infra.tags import ACCOUNTING_TAGS, EXPIRY_TAG, REQUIRED_TAGS
from infra.values import mapping, objects

TAGGABLE = frozenset(
    {
        types.COMPOSITE_ALARM,
        types.LOG_GROUP,
        types.METRIC_ALARM,
        types.DEFAULT_SECURITY_GROUP,
        types.EIP,
        types.FLOW_LOG,
        types.INTERNET_GATEWAY,
        types.LAUNCH_TEMPLATE,
        types.PREFIX_LIST,
        types.ROUTE_TABLE,
        types.SECURITY_GROUP,
        types.SUBNET,
        types.VPC,
        types.VPC_ENDPOINT,
        types.INSTANCE_PROFILE,
        types.ROLE,
        types.LISTENER,
        types.LOAD_BALANCER,
        types.TARGET_GROUP,
        types.BUCKET,
        types.TOPIC,
        types.EGRESS,
        types.INGRESS,
    }
)
"""Types of the program that have `tags` as a map; a test holds the list against the provider's classes."""

EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One resource that breaks one rule."""

    rule: str
    urn: str
    message: str
    """A sentence: what is so, and what it should be."""


Finding = tuple[Resource, str]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule and the check of it."""

    name: str
    description: str
    source: str
    """Who says so: AWS's documentation, the API overview, the design."""
    findings: Callable[[Graph], Iterator[Finding]]
    alone: bool = False
    """Whether each resource can be judged by itself, before the others are known."""

    def violations(self, graph: Graph) -> tuple[Violation, ...]:
        """Return what breaks the rule in `graph`, in the order of the graph."""
        return tuple(
            Violation(rule=self.name, urn=resource.urn, message=message) for resource, message in self.findings(graph)
        )


def violations(graph: Graph, rules: Sequence[Rule] | None = None) -> tuple[Violation, ...]:
    """Return what breaks any of `rules` (by default `RULES`) in `graph`."""
    return tuple(violation for rule in rules or RULES for violation in rule.violations(graph))


def _tagged(graph: Graph) -> Iterator[Finding]:
    for resource in graph:
        if resource.type in TAGGABLE:
            tags = mapping(resource.inputs.get("tags"))
        elif resource.type == types.SCALING_GROUP:
            group_tags = objects(resource.inputs.get("tags"))
            tags = {str(tag.get("key")): tag.get("value") for tag in group_tags}
            kept = sorted(str(tag.get("key")) for tag in group_tags if tag.get("propagateAtLaunch") is False)
            if withheld := [key for key in kept if key in ACCOUNTING_TAGS]:
                yield resource, f"keeps {', '.join(withheld)} to itself; its instances get those from nobody else"
        else:
            continue
        yield from ((resource, message) for message in _tag_problems(tags, graph.stack))
    for template in graph.of_type(types.LAUNCH_TEMPLATE):
        specifications = objects(template.inputs.get("tagSpecifications"))
        by_kind = {
            str(specification.get("resourceType")): mapping(specification.get("tags"))
            for specification in specifications
        }
        for kind in ("instance", "volume"):
            problems = _tag_problems(by_kind.get(kind, {}), graph.stack, of_group=ACCOUNTING_TAGS)
            yield from ((template, f"what it launches ({kind}): {message}") for message in problems)


def _tag_problems(tags: Mapping[str, Value], stack: str, of_group: Collection[str] = ()) -> Iterator[str]:
    missing = [key for key in REQUIRED_TAGS if not tags.get(key) and key not in of_group]
    if missing:
        yield f"lacks the tags {', '.join(missing)}"
    if tags.get("Environment") not in {None, stack}:
        yield f"is tagged Environment={tags['Environment']}; it belongs to {stack}"


def _only_the_port(graph: Graph) -> Iterator[Finding]:
    for rule in (*graph.of_type(types.INGRESS), *graph.of_type(types.EGRESS)):
        opened = (rule.inputs.get("ipProtocol"), _port(rule, "fromPort"), _port(rule, "toPort"))
        if opened != ("tcp", PORT, PORT):
            yield rule, f"opens {opened[0]} {opened[1]}-{opened[2]}; only tcp {PORT} may be open"
    for listener in graph.of_type(types.LISTENER):
        heard = (listener.inputs.get("protocol"), _port(listener, "port"))
        if heard != ("TCP", PORT):
            yield listener, f"listens on {heard[0]} {heard[1]}; only TCP {PORT} may be listened on"
    for group in graph.of_type(types.SECURITY_GROUP):
        if group.inputs.get("ingress") or group.inputs.get("egress"):
            yield group, "has rules inside it; rules are resources of their own, beside which these would come and go"


def _not_open_to_the_world(graph: Graph) -> Iterator[Finding]:
    for rule in graph.of_type(types.INGRESS):
        source = {rule.inputs.get("cidrIpv4"), rule.inputs.get("cidrIpv6")} & EVERYWHERE
        if source:
            yield rule, f"admits {source.pop()}; clients are admitted by the environment's prefix list"
    for prefix_list in graph.of_type(types.PREFIX_LIST):
        for entry in objects(prefix_list.inputs.get("entries")):
            if entry.get("cidr") in EVERYWHERE:
                yield prefix_list, f"admits {entry['cidr']}; name the suppliers' own addresses"


def _no_public_instances(graph: Graph) -> Iterator[Finding]:
    for subnet in graph.of_type(types.SUBNET):
        if subnet.inputs.get("mapPublicIpOnLaunch"):
            yield subnet, "gives what starts in it a public address; only the load balancer may have one"
    for template in graph.of_type(types.LAUNCH_TEMPLATE):
        for interface in objects(template.inputs.get("networkInterfaces")) or [{}]:
            if str(interface.get("associatePublicIpAddress")).lower() != "false":
                yield template, "doesn't refuse a public address; set associatePublicIpAddress to false"


def _private_buckets(graph: Graph) -> Iterator[Finding]:
    blocks = {_bucket_of(block): block for block in graph.of_type(types.PUBLIC_ACCESS_BLOCK)}
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for bucket in graph.of_type(types.BUCKET):
        block = blocks.get(_bucket_name(bucket))
        if block is None:
            yield bucket, "has no block of public access"
        elif open_ := [switch for switch in switches if block.inputs.get(switch) is not True]:
            yield block, f"leaves {', '.join(open_)} off; all four must be on"


def _encrypted(graph: Graph) -> Iterator[Finding]:
    for template in graph.of_type(types.LAUNCH_TEMPLATE):
        mappings = objects(template.inputs.get("blockDeviceMappings"))
        if not mappings:
            yield template, "names no volume, so the image's own setting decides whether it is encrypted"
        for device in mappings:
            if str(mapping(device.get("ebs")).get("encrypted")).lower() != "true":
                yield template, f"doesn't encrypt the volume {device.get('deviceName')}"
    kind = types.BUCKET_ENCRYPTION
    encrypted = {_bucket_of(encryption) for encryption in graph.of_type(kind)}
    for bucket in graph.of_type(types.BUCKET):
        if _bucket_name(bucket) not in encrypted:
            yield bucket, "has no encryption of its own"


def _versioned(graph: Graph) -> Iterator[Finding]:
    enabled = {
        _bucket_of(versioning)
        for versioning in graph.of_type(types.BUCKET_VERSIONING)
        if mapping(versioning.inputs.get("versioningConfiguration")).get("status") == "Enabled"
    }
    for bucket in graph.of_type(types.BUCKET):
        if _bucket_name(bucket) not in enabled:
            yield bucket, "keeps no versions; what the data was can't be shown"


def _bounded(graph: Graph) -> Iterator[Finding]:
    for role in graph.of_type(types.ROLE):
        boundary = role.inputs.get("permissionsBoundary")
        if boundary is not UNKNOWN and not (isinstance(boundary, str) and ":policy/" in boundary):
            yield role, "has no permissions boundary: whoever deploys could give it any right, and take it on"


def _tls_only(graph: Graph) -> Iterator[Finding]:
    policies = {_bucket_of(policy): policy for policy in graph.of_type(types.BUCKET_POLICY)}
    for bucket in graph.of_type(types.BUCKET):
        policy = policies.get(_bucket_name(bucket))
        document = policy.inputs.get("policy") if policy else None
        if document is UNKNOWN:
            continue
        if not any(_denies_plain_http(statement) for statement in policy_statements(document)):
            yield bucket, "may be spoken to without TLS; deny aws:SecureTransport false in its policy"


def _denies_plain_http(statement: Mapping[str, Value]) -> bool:
    said = canonical_statement(statement)
    condition = mapping(mapping(said.get("Condition")).get("Bool"))
    everything = said.get("Action") in ("s3:*", "*")
    everybody = mapping(said.get("Principal")).get("AWS") == "*"
    denied = said.get("Effect") == "Deny" and condition.get("aws:securetransport") == "false"
    return denied and everything and everybody


def _imds_v2(graph: Graph) -> Iterator[Finding]:
    for template in graph.of_type(types.LAUNCH_TEMPLATE):
        if mapping(template.inputs.get("metadataOptions")).get("httpTokens") != "required":
            yield template, "answers metadata requests without a token; set metadataOptions.httpTokens to required"


NAME_LIMITS: Mapping[str, tuple[str, int]] = {
    # type: the property that names it, and the longest name in characters
    types.LOAD_BALANCER: ("name", 32),
    types.TARGET_GROUP: ("name", 32),
    types.ROLE: ("name", 64),
    types.INSTANCE_PROFILE: ("name", 128),
    types.BUCKET: ("bucket", 63),
    types.LAUNCH_TEMPLATE: ("name", 128),
    types.PREFIX_LIST: ("name", 255),
    types.SECURITY_GROUP: ("name", 255),
    types.METRIC_ALARM: ("name", 255),
    types.COMPOSITE_ALARM: ("alarmName", 255),
    types.TOPIC: ("name", 256),
    types.LOG_GROUP: ("name", 512),
}

MADE_UP = len("-1234567")
"""What Pulumi adds to a logical name to make a physical one: a hyphen and seven hexadecimal digits."""


def _names_fit(graph: Graph) -> Iterator[Finding]:
    for resource in graph:
        if resource.type not in NAME_LIMITS:
            continue
        property_name, limit = NAME_LIMITS[resource.type]
        given = resource.inputs.get(property_name)
        length = len(given) if isinstance(given, str) else len(resource.name) + MADE_UP
        if length > limit:
            yield resource, f"would have a name of {length} characters; AWS takes {limit}"


NO_NAME_BEGINS: Mapping[str, tuple[str, ...]] = {
    types.LOAD_BALANCER: (NO_BALANCER_BEGINS,),
    types.SECURITY_GROUP: (NO_SECURITY_GROUP_BEGINS,),
    types.PREFIX_LIST: ("com.amazonaws",),
    types.BUCKET: ("xn--", "sthree-", "amzn-s3-demo-"),
}


def _names_begin_as_they_may(graph: Graph) -> Iterator[Finding]:
    for resource in graph:
        if resource.type in NO_NAME_BEGINS:
            given = resource.inputs.get(NAME_LIMITS[resource.type][0])
            name = given if isinstance(given, str) else resource.name
            if beginning := next((part for part in NO_NAME_BEGINS[resource.type] if name.startswith(part)), None):
                yield resource, f"would have a name that begins with {beginning!r}, which AWS keeps for itself"


POLICY_LIMITS: Mapping[str, tuple[str, int]] = {
    # type: the property that holds the document, and how long it may be without white space
    types.BUCKET_POLICY: ("policy", 20_480),
    types.IAM_POLICY: ("policy", LONGEST_MANAGED_POLICY),
    types.ROLE: ("assumeRolePolicy", LONGEST_TRUST),
}
WHAT_MAKES_A_POLICY_SHORTER: Mapping[str, str] = {
    types.BUCKET_POLICY: "; suppliers with an account of their own (awsAccount) and operators are what it is long by",
}


def _policies_fit(graph: Graph) -> Iterator[Finding]:
    for resource in graph:
        if resource.type in POLICY_LIMITS:
            property_name, limit = POLICY_LIMITS[resource.type]
            length = document_length(resource.inputs.get(property_name))
            if length > limit:
                why = WHAT_MAKES_A_POLICY_SHORTER.get(resource.type, "")
                yield resource, f"has {property_name} of {length:,} characters; AWS takes {limit:,}{why}"


def _role_policies_fit(graph: Graph) -> Iterator[Finding]:
    by_role: dict[Value, list[Resource]] = defaultdict(list)
    for policy in graph.of_type(types.ROLE_POLICY):
        by_role[policy.inputs.get("role")].append(policy)
    by_role.pop(UNKNOWN, None)
    for policies in by_role.values():
        length = sum(document_length(policy.inputs.get("policy")) for policy in policies)
        if length > LONGEST_INLINE_POLICIES:
            message = (
                f"is {length:,} characters long, with the others of its role; AWS takes {LONGEST_INLINE_POLICIES:,}"
            )
            yield from ((policy, message) for policy in policies)


def document_length(document: Value) -> int:
    """Return how long a policy, as JSON or parsed, is to AWS: in UTF-8, without white space between its parts.

    0 if it isn't known yet.
    """
    parsed = json_document(document) if isinstance(document, str) else document
    if not isinstance(parsed, Mapping):
        return 0
    return len(json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode())


def _scaling_keeps_to_the_schedule(graph: Graph) -> Iterator[Finding]:
    empty = {group.urn for group in graph.of_type(types.SCALING_GROUP) if group.inputs.get("minSize") == 0}
    for policy in graph.of_type(types.SCALING_POLICY):
        tracking = mapping(policy.inputs.get("targetTrackingConfiguration"))
        if tracking and not empty.isdisjoint(policy.dependencies) and tracking.get("disableScaleIn") is not True:
            yield policy, "scales in below what a schedule sets, since the group's minimum is 0; set disableScaleIn"


DEFAULT_GRACE_SECONDS = 300
"""Of a group that says none (hashicorp/terraform-provider-aws, internal/service/autoscaling/group.go)."""


def _a_slow_start_rings_nothing(graph: Graph) -> Iterator[Finding]:
    groups = graph.of_type(types.SCALING_GROUP)
    grace = max((_seconds(group, "healthCheckGracePeriod", DEFAULT_GRACE_SECONDS) for group in groups), default=0)
    for alarm in graph.of_type(types.METRIC_ALARM):
        if alarm.inputs.get("metricName") != "UnHealthyHostCount":
            continue
        periods = _seconds(alarm, "datapointsToAlarm", 0) or _seconds(alarm, "evaluationPeriods", 0)
        lasting = _seconds(alarm, "period", 0) * periods
        if lasting <= grace:
            yield (
                alarm,
                f"rings after {lasting:g} s, and instances may take {grace:g} s to start: a rollout would stop at a "
                "slow start; set evaluationPeriods higher",
            )


def _seconds(resource: Resource, name: str, default: float) -> float:
    value = resource.inputs.get(name)
    return float(value) if isinstance(value, int | float | str) else default


def _may_leave_a_zone(graph: Graph) -> Iterator[Finding]:
    shifting = [
        balancer
        for balancer in graph.of_type(types.LOAD_BALANCER)
        if balancer.inputs.get("enableZonalShift") is True
        and balancer.inputs.get("enableCrossZoneLoadBalancing") is True
    ]
    for targets in graph.of_type(types.TARGET_GROUP) if shifting else ():
        states = objects(targets.inputs.get("targetHealthStates"))
        if not states or any(state.get("enableUnhealthyConnectionTermination") is not False for state in states):
            yield (
                targets,
                f"ends connections to unhealthy targets, beside which AWS takes no zonal shift of {shifting[0].name}; "
                "set enableUnhealthyConnectionTermination to false",
            )


RULES: tuple[Rule, ...] = (
    Rule(
        name="tagged",
        description="Every taggable resource says whose it is, and which environment's.",
        source="design: tags; EC2 Auto Scaling guide: tags of a group are not those of its instances",
        findings=_tagged,
        alone=True,
    ),
    Rule(
        name="only-443",
        description="TCP 443 is open and nothing else.",
        source="API overview: Port, TCP 443, for every environment",
        findings=_only_the_port,
        alone=True,
    ),
    Rule(
        name="bounded",
        description="Every role has a permissions boundary.",
        source="IAM guide: delegating responsibility to others by using permissions boundaries",
        findings=_bounded,
        alone=True,
    ),
    Rule(
        name="not-open-to-the-world",
        description="Clients are admitted by name; nothing admits everybody.",
        source="API overview: environments are for assured systems and applications under development",
        findings=_not_open_to_the_world,
        alone=True,
    ),
    Rule(
        name="no-public-instances",
        description="Instances have no public address.",
        source="design: public subnets for the load balancer only",
        findings=_no_public_instances,
        alone=True,
    ),
    Rule(
        name="private-buckets",
        description="Public access to buckets is blocked, by all four switches.",
        source="Amazon S3 guide: Blocking public access",
        findings=_private_buckets,
    ),
    Rule(
        name="encrypted",
        description="Volumes and buckets are encrypted.",
        source="Amazon EBS guide: encryption; Amazon S3 guide: default bucket encryption",
        findings=_encrypted,
    ),
    Rule(
        name="versioned",
        description="Datasets keep what they were.",
        source="Amazon S3 guide: versioning",
        findings=_versioned,
    ),
    Rule(
        name="tls-only",
        description="Buckets refuse requests without TLS.",
        source="Amazon S3 guide: security best practices, aws:SecureTransport",
        findings=_tls_only,
    ),
    Rule(
        name="imds-v2",
        description="Instance metadata is given to requests with a token only.",
        source="Amazon EC2 guide: Use IMDSv2",
        findings=_imds_v2,
        alone=True,
    ),
    Rule(
        name="names-fit",
        description="Names are within AWS's limits, with what Pulumi adds to them.",
        source="ELB API: CreateLoadBalancer, CreateTargetGroup; IAM quotas; S3 bucket naming; EC2 and CloudWatch APIs",
        findings=_names_fit,
        alone=True,
    ),
    Rule(
        name="names-begin-as-they-may",
        description="No name begins as AWS's own do.",
        source="ELB API: CreateLoadBalancer; EC2 API: CreateSecurityGroup, CreateManagedPrefixList; S3 bucket naming",
        findings=_names_begin_as_they_may,
        alone=True,
    ),
    Rule(
        name="policies-fit",
        description="Policies of buckets and roles are within AWS's limits.",
        source="Amazon S3 guide: bucket policies, 20 KB; IAM guide: IAM and AWS STS quotas (trust, managed)",
        findings=_policies_fit,
        alone=True,
    ),
    Rule(
        name="role-policies-fit",
        description="What the policies of a role have together is within AWS's limit.",
        source="IAM guide: IAM and AWS STS quotas (10,240 characters of inline policies for each role)",
        findings=_role_policies_fit,
    ),
    Rule(
        name="scaling-keeps-to-the-schedule",
        description="Where a schedule may empty the group, target tracking only adds instances.",
        source="EC2 Auto Scaling guide: scheduled scaling (what it sets, other policies change), DisableScaleIn",
        findings=_scaling_keeps_to_the_schedule,
    ),
    Rule(
        name="slow-starts-ring-nothing",
        description="An alarm about unhealthy targets is longer than an instance may take to start.",
        source="EC2 Auto Scaling guide: health check grace period; an instance refresh fails at its alarms",
        findings=_a_slow_start_rings_nothing,
    ),
    Rule(
        name="may-leave-a-zone",
        description="Beside cross-zone balancing, zonal shift needs targets whose connections aren't ended.",
        source="Network Load Balancers guide: Enable zonal shift for your Network Load Balancer, prerequisites",
        findings=_may_leave_a_zone,
    ),
)


def _expiring(graph: Graph) -> Iterator[Finding]:
    if graph.stack in PERMANENT:
        return
    for resource in graph:
        if resource.type == types.LAUNCH_TEMPLATE:
            # A new expiry would be a new version of it, and replace every instance.
            continue
        tags: Mapping[str, Value] = {}
        if resource.type in TAGGABLE:
            tags = mapping(resource.inputs.get("tags"))
        elif resource.type == types.SCALING_GROUP:
            tags = {str(tag.get("key")): tag.get("value") for tag in objects(resource.inputs.get("tags"))}
        else:
            continue
        if not tags.get(EXPIRY_TAG):
            yield resource, f"has no tag {EXPIRY_TAG}, and {graph.stack} is none of the permanent environments"


def _protected(graph: Graph) -> Iterator[Finding]:
    published = _published(graph)
    addresses = {address for address in published.values() if isinstance(address, str)}
    for address in graph.of_type(types.EIP):
        if address.outputs.get("publicIp") in addresses and not address.protect:
            yield address, f"is {address.outputs['publicIp']}, which is published, and not protected"
    if graph.stack != LIVE and not published:
        return
    for balancer in graph.of_type(types.LOAD_BALANCER):
        if not balancer.protect:
            yield balancer, "is not protected; replacing it takes the published addresses out of service"
        if balancer.inputs.get("enableDeletionProtection") is not True:
            yield balancer, "may be deleted in AWS; set enableDeletionProtection"
    if graph.stack == LIVE:
        for bucket in graph.of_type(types.BUCKET):
            if not bucket.protect:
                yield bucket, "is Live's dataset, and not protected"


def _published_addresses(graph: Graph, kept: Collection[Value]) -> Iterator[Finding]:
    stack = next(iter(graph.of_type(types.STACK)), None)
    published = _published(graph)
    if stack is None or not published:
        # A first `up` finds out which addresses there are.
        return
    actual = stack.outputs.get("virtualIps")
    if actual is UNKNOWN and not {*published.values()} <= {*kept}:
        yield stack, "would have addresses that are known only after the update; some are published, and may not change"
    by_zone = mapping(actual)
    made = {address.outputs.get("publicIp"): address for address in graph.of_type(types.EIP)}
    attached = _attached(graph)
    for zone, address in sorted(by_zone.items()):
        of_zone = made.get(address, stack)
        if zone in published:
            if address is UNKNOWN and published[zone] not in kept:
                unknown = f"would have an address in {zone} that is known only after the update"
                yield stack, f"{unknown}; {published[zone]} is published"
            elif address is not UNKNOWN and address != published[zone]:
                yield of_zone, f"would be {address} in {zone}; {published[zone]} is published"
        elif address in attached or (address is UNKNOWN and UNKNOWN in attached):
            shown = "an address that is known only after the update" if address is UNKNOWN else address
            yield (
                of_zone,
                (
                    f"would take traffic in {zone} at {shown}, which isn't published as the others are: "
                    "reserve the zone, publish its address, then attach it"
                ),
            )
    for zone in sorted(published.keys() - by_zone.keys()) if isinstance(actual, Mapping) else ():
        yield stack, f"would have no address in {zone}; {published[zone]} is published"


def _published(graph: Graph) -> Mapping[str, Value]:
    """Return the published addresses by zone, from the configuration that the stack hands on as its output."""
    stack = next(iter(graph.of_type(types.STACK)), None)
    settings = mapping(stack.outputs.get("settings")) if stack else {}
    written = settings.get(f"{NAMESPACE}:virtualIps")
    return mapping(json_document(written) if isinstance(written, str) else written)


def _attached(graph: Graph) -> set[Value]:
    """Return the addresses at load balancers; UNKNOWN among them if one isn't known yet."""
    addresses = {
        address.outputs.get("allocationId"): address.outputs.get("publicIp") for address in graph.of_type(types.EIP)
    }
    return {
        UNKNOWN if mapping.get("allocationId") is UNKNOWN else addresses.get(mapping.get("allocationId"))
        for balancer in graph.of_type(types.LOAD_BALANCER)
        for mapping in objects(balancer.inputs.get("subnetMappings"))
    }


DECLARED: tuple[Rule, ...] = (
    Rule(
        name="expires",
        description="What isn't permanent says until when it stays.",
        source="API overview: other environments are available over a fixed time period only",
        findings=_expiring,
        alone=True,
    ),
    Rule(
        name="protected",
        description="Published addresses, the load balancer at them and Live's dataset can't be deleted by a slip.",
        source="design: virtual IPs, once published, are protected in any stack; Live's dataset is Live's",
        findings=_protected,
    ),
)
"""Rules that need what only the stack itself knows: whether it is protected, what it has published."""


def published_addresses(kept: Collection[str] = ()) -> Rule:
    """Return the rule that published addresses stay.

    `kept`: addresses that nobody has and that the account is going to give to whoever published them, so that it is no
    matter that they aren't known yet. Only the lab's account does so.
    """
    return Rule(
        name="published-addresses",
        description="Addresses that clients have in their firewalls stay what they are.",
        source="API overview: Virtual IP; design: a zone is added in two steps",
        findings=lambda graph: _published_addresses(graph, kept),
    )


def _account_allowed(graph: Graph) -> Iterator[Finding]:
    for provider in graph.of_type(types.AWS_PROVIDER) if graph.stack == LIVE else ():
        allowed = provider.inputs.get("allowedAccountIds")
        # The engine hands providers their lists as JSON.
        if not (json_document(allowed) if isinstance(allowed, str) else allowed):
            yield provider, "would deploy Live to whichever account it is handed; set aws:allowedAccountIds"


account_allowed = Rule(
    name="account-allowed",
    description="Live is deployed to an account that it names.",
    source="design: Live needs allowedAccountIds outside the lab",
    findings=_account_allowed,
    alone=True,
)
"""For wherever AWS is the real one."""


def certificate_of_its_own(lives: str | None) -> Rule:
    """Return the rule that nobody but Live may have Live's certificate; `lives` is its secret's ARN, None if unset."""

    def findings(graph: Graph) -> Iterator[Finding]:
        if lives is None or graph.stack == LIVE:
            return
        for policy in graph.of_type(types.ROLE_POLICY):
            if any(
                lives in _texts(statement.get("Resource"))
                for statement in policy_statements(policy.inputs.get("policy"))
            ):
                yield policy, f"may read Live's certificate and key ({lives}); give {graph.stack} its own"
        for template in graph.of_type(types.LAUNCH_TEMPLATE):
            data = template.inputs.get("userData")
            if isinstance(data, str) and lives in str(json_document(data)):
                yield template, f"names Live's certificate ({lives}); give {graph.stack} its own"

    return Rule(
        name="certificate-of-its-own",
        description="No certificate or key is shared with Live.",
        source="design: no certificate or key is shared with Live",
        findings=findings,
        alone=True,
    )


def reads_lives_dataset(bucket: str | None) -> Rule:
    """Return the rule that nobody but Live may change Live's dataset; `bucket` is its name, None if unset.

    Whatever a policy grants there, and whatever else grants more one day: an explicit deny outweighs it (IAM guide,
    policy evaluation logic). So a policy that leads to the bucket at all must hold that deny.
    """

    def findings(graph: Graph) -> Iterator[Finding]:
        if bucket is None or graph.stack == LIVE:
            return
        for policy in (resource for kind in ROLE_POLICIES for resource in graph.of_type(kind)):
            statements = [
                statement
                for statement in policy_statements(policy.inputs.get("policy"))
                if _covers_objects(statement, bucket)
            ]
            allowed = [
                statement for statement in statements if statement.get("Effect") == "Allow" and _is_about_s3(statement)
            ]
            if allowed and not any(_denies_all_but_reading(statement) for statement in statements):
                yield (
                    policy,
                    (
                        f"leads to Live's dataset ({bucket}) and isn't denied to write it; deny everything there but "
                        f"{', '.join(sorted(READ_ONLY))}"
                    ),
                )

    return Rule(
        name="reads-lives-dataset",
        description="Live's dataset is written by nobody but Live.",
        source="API overview: NFT uses the Live dataset; design: a mirror can write nowhere in it",
        findings=findings,
        alone=True,
    )


ROLE_POLICIES = (types.ROLE_POLICY, types.IAM_POLICY)

READ_ONLY = frozenset({"s3:GetBucketLocation", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"})


def _covers_objects(statement: Mapping[str, Value], bucket: str) -> bool:
    """Whether a statement is about objects of a bucket, or may be: one about all but some resources is."""
    return "NotResource" in statement or any(
        isinstance(arn, str) and fnmatchcase(f"{bucket}/key", arn.rsplit(":::", 1)[-1])
        for arn in _texts(statement.get("Resource"))
    )


def _is_about_s3(statement: Mapping[str, Value]) -> bool:
    return "NotAction" in statement or any(
        isinstance(action, str) and (action == "*" or action.lower().startswith("s3:"))
        for action in _texts(statement.get("Action"))
    )


def _denies_all_but_reading(statement: Mapping[str, Value]) -> bool:
    spared = statement.get("NotAction")
    return (
        statement.get("Effect") == "Deny"
        and "NotResource" not in statement
        and not statement.get("Condition")
        and spared is not None
        and set(_texts(spared)) <= READ_ONLY
    )


def _texts(value: Value) -> Sequence[Value]:
    return value if isinstance(value, list | tuple) else [value]


def _port(resource: Resource, property_name: str) -> Value:
    # Numbers come as floats out of Pulumi's protocol.
    port = resource.inputs.get(property_name)
    return int(port) if isinstance(port, float) else port


def _bucket_name(bucket: Resource) -> Value:
    """Return the name of a bucket: the one asked for, which a preview knows; else the one that AWS made up, its id."""
    asked = bucket.inputs.get("bucket")
    return asked if isinstance(asked, str) else bucket.outputs.get("id")


def _bucket_of(setting: Resource) -> Value:
    return setting.inputs.get("bucket")
