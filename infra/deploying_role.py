"""What the roles that deploy must be allowed: their policies, from the resource types of the program.

Each type says which of AWS's actions make, change and delete it; a type that nobody has described is an error, so a new
one can't be forgotten here. Reading is allowed by kind of action (`Describe*`, `Get*`), never for what is in a dataset.
What a role may change is its own by tag where the service looks at tags (EC2, EC2 Auto Scaling, Elastic Load
Balancing), and by name where it doesn't. Left out: the trust of the roles (`trust`), the states of stacks (`states`),
and what others in the account are allowed.

Source: Service Authorization Reference, the page of each service; names of actions are those of IAM, which for S3 are
not always those of the API.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from infra import access, types
from infra.access import Document, Statement, allow
from infra.environment import Environment
from infra.errors import ConfigError, Problem
from infra.graph import PREFIX, Graph
from infra.naming import PERMANENT
from infra.tags import FIXED_TAGS

TAG_EC2 = ("ec2:CreateTags", "ec2:DeleteTags")
TAG_IAM = ("iam:TagRole", "iam:UntagRole")
TAG_ELB = ("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags")
TAG_CLOUDWATCH = ("cloudwatch:TagResource", "cloudwatch:UntagResource")

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    types.SCALING_GROUP: (
        "autoscaling:AttachLoadBalancerTargetGroups",
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeleteTags",
        "autoscaling:DetachLoadBalancerTargetGroups",
        "autoscaling:DisableMetricsCollection",
        "autoscaling:EnableMetricsCollection",
        "autoscaling:UpdateAutoScalingGroup",
        # A group starts instances with the rights of whoever gave it a launch template.
        "ec2:RunInstances",
    ),
    types.SCALING_POLICY: ("autoscaling:DeletePolicy", "autoscaling:PutScalingPolicy"),
    types.SCHEDULE: (
        "autoscaling:DeleteScheduledAction",
        "autoscaling:PutScheduledUpdateGroupAction",
    ),
    types.COMPOSITE_ALARM: (
        "cloudwatch:DeleteAlarms",
        "cloudwatch:PutCompositeAlarm",
        *TAG_CLOUDWATCH,
    ),
    types.DASHBOARD: ("cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"),
    types.LOG_GROUP: (
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
    ),
    types.METRIC_ALARM: ("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", *TAG_CLOUDWATCH),
    types.DEFAULT_SECURITY_GROUP: (
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        *TAG_EC2,
    ),
    types.EIP: ("ec2:AllocateAddress", "ec2:DisassociateAddress", "ec2:ReleaseAddress", *TAG_EC2),
    types.FLOW_LOG: ("ec2:CreateFlowLogs", "ec2:DeleteFlowLogs", *TAG_EC2),
    types.INTERNET_GATEWAY: (
        "ec2:AttachInternetGateway",
        "ec2:CreateInternetGateway",
        "ec2:DeleteInternetGateway",
        "ec2:DetachInternetGateway",
        *TAG_EC2,
    ),
    types.LAUNCH_TEMPLATE: (
        "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:DeleteLaunchTemplate",
        "ec2:ModifyLaunchTemplate",
        *TAG_EC2,
    ),
    types.PREFIX_LIST: (
        "ec2:CreateManagedPrefixList",
        "ec2:DeleteManagedPrefixList",
        "ec2:ModifyManagedPrefixList",
        *TAG_EC2,
    ),
    types.ROUTE: ("ec2:CreateRoute", "ec2:DeleteRoute", "ec2:ReplaceRoute"),
    types.ROUTE_TABLE: ("ec2:CreateRouteTable", "ec2:DeleteRouteTable", *TAG_EC2),
    types.ROUTE_TABLE_ASSOCIATION: (
        "ec2:AssociateRouteTable",
        "ec2:DisassociateRouteTable",
        "ec2:ReplaceRouteTableAssociation",
    ),
    types.SECURITY_GROUP: (
        "ec2:CreateSecurityGroup",
        "ec2:DeleteSecurityGroup",
        # Takes away the rule that AWS gives each new group: everything out.
        "ec2:RevokeSecurityGroupEgress",
        *TAG_EC2,
    ),
    types.SUBNET: ("ec2:CreateSubnet", "ec2:DeleteSubnet", "ec2:ModifySubnetAttribute", *TAG_EC2),
    types.VPC: ("ec2:CreateVpc", "ec2:DeleteVpc", "ec2:ModifyVpcAttribute", *TAG_EC2),
    types.VPC_ENDPOINT: (
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteVpcEndpoints",
        "ec2:ModifyVpcEndpoint",
        # Private DNS names of interface endpoints (Service Authorization Reference, CreateVpcEndpoint).
        "route53:AssociateVPCWithHostedZone",
        *TAG_EC2,
    ),
    types.INSTANCE_PROFILE: (
        "iam:AddRoleToInstanceProfile",
        "iam:CreateInstanceProfile",
        "iam:DeleteInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile",
        "iam:TagInstanceProfile",
        "iam:UntagInstanceProfile",
    ),
    types.ROLE: (
        "iam:CreateRole",
        "iam:DeleteRole",
        "iam:PassRole",
        "iam:PutRolePermissionsBoundary",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "iam:UpdateRoleDescription",
        *TAG_IAM,
    ),
    types.ROLE_POLICY: ("iam:DeleteRolePolicy", "iam:PutRolePolicy"),
    types.LISTENER: (
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyListenerAttributes",
        *TAG_ELB,
    ),
    types.LOAD_BALANCER: (
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        *TAG_ELB,
    ),
    types.TARGET_GROUP: (
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
        *TAG_ELB,
    ),
    types.RECORD: ("route53:ChangeResourceRecordSets",),
    types.BUCKET: (
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:PutBucketTagging",
        "s3:TagResource",
        "s3:UntagResource",
    ),
    types.BUCKET_LIFECYCLE: ("s3:PutLifecycleConfiguration",),
    types.BUCKET_OWNERSHIP: ("s3:PutBucketOwnershipControls",),
    types.BUCKET_POLICY: ("s3:DeleteBucketPolicy", "s3:PutBucketPolicy"),
    types.PUBLIC_ACCESS_BLOCK: ("s3:PutBucketPublicAccessBlock",),
    types.BUCKET_ENCRYPTION: ("s3:PutEncryptionConfiguration",),
    types.BUCKET_VERSIONING: ("s3:PutBucketVersioning",),
    types.TOPIC: (
        "sns:CreateTopic",
        "sns:DeleteTopic",
        "sns:SetTopicAttributes",
        "sns:TagResource",
        "sns:UntagResource",
    ),
    types.TOPIC_POLICY: ("sns:SetTopicAttributes",),
    types.TOPIC_SUBSCRIPTION: ("sns:Subscribe", "sns:Unsubscribe"),
    types.EGRESS: (
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupEgress",
        *TAG_EC2,
    ),
    types.INGRESS: (
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:ModifySecurityGroupRules",
        "ec2:RevokeSecurityGroupIngress",
        *TAG_EC2,
    ),
    types.ROLLOUT: ("autoscaling:CancelInstanceRefresh", "autoscaling:StartInstanceRefresh"),
}
"""What making, changing and deleting a resource of a type takes."""

EMPTYING = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions")
"""What deleting a bucket takes that is emptied first, which only environments made for one test are."""

LEFTOVERS = ("ec2:DeleteNetworkInterface", "ec2:DeleteVolume", "ec2:ReleaseAddress", "ec2:TerminateInstances")
"""What removing takes that no state knows of, beside what making the same types does; only of environments made for one
test, which have to go whatever became of the run that made them."""

READING = (
    "autoscaling:Describe*",
    "cloudformation:DescribeStacks",
    "cloudwatch:Describe*",
    "cloudwatch:GetDashboard",
    "cloudwatch:ListTagsForResource",
    "ec2:Describe*",
    "ec2:GetManagedPrefixListEntries",
    "elasticloadbalancing:Describe*",
    "iam:Get*",
    "iam:List*",
    "kms:ListAliases",
    "logs:Describe*",
    "logs:ListTagsForResource",
    "route53:Get*",
    "route53:List*",
    "route53:TestDNSAnswer",
    "s3:GetAccelerateConfiguration",
    "s3:GetBucket*",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "s3:ListTagsForResource",
    "secretsmanager:DescribeSecret",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:GetServiceQuota",
    "sns:Get*",
    "sns:List*",
)
"""What the provider, the rollout and `eps-dos` read."""

SERVICE_LINKED = ("autoscaling.amazonaws.com", "elasticloadbalancing.amazonaws.com")
"""Services that make a role of their own at their first use in an account (IAM guide, service-linked roles)."""

_CHANGE_RECORDS = "route53:ChangeResourceRecordSets"
_CHANGED_NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
"""Lower case, without the last dot (Route 53 guide, IAM policy conditions for fine-grained access control)."""

_COMPOSITE = "cloudwatch:PutCompositeAlarm"

BOUNDED = frozenset({"iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"})
"""What gives a role rights: allowed only where it has the permissions boundary, or gets it (Service Authorization
Reference, IAM: actions that know `iam:PermissionsBoundary`; IAM guide, delegating by permissions boundaries)."""

CHANGING_IAM = tuple(
    f"iam:{verb}*"
    for verb in ("Add", "Attach", "Create", "Delete", "Detach", "Put", "Remove", "Set", "Tag", "Untag", "Update")
)
"""What changes identities and policies, as IAM names its actions. By tags roles are told whose things are theirs."""

PASSED_TO = ("ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com")
"""The services that the program's roles are for; nobody else, a person least of all, may be handed one."""

TAGGED = ("autoscaling", "ec2", "elasticloadbalancing")
"""Services whose changes and deletions know the tags of what they change (Service Authorization Reference)."""

MAKING = frozenset(
    {
        "autoscaling:CreateAutoScalingGroup",
        "ec2:AllocateAddress",
        "ec2:CreateFlowLogs",
        "ec2:CreateInternetGateway",
        "ec2:CreateLaunchTemplate",
        "ec2:CreateManagedPrefixList",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateVpc",
        "ec2:CreateVpcEndpoint",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:CreateTargetGroup",
    }
)
"""What makes a thing with its tags, which the request has before the thing does (as above: `aws:RequestTag`)."""

MAKING_WITHIN = frozenset(
    {
        "ec2:CreateFlowLogs",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateVpcEndpoint",
        "elasticloadbalancing:CreateListener",
    }
)
"""Of those, what makes a thing within another, or beside others: a network, its subnets, a load balancer."""

MAKING_RULES = frozenset({"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress"})
"""Make a rule, which has tags, in a group, which has had them: both are looked at."""

STARTING = "ec2:RunInstances"
"""Needs an image, which is its owner's, and an interface and volumes, which have no tags yet."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose things a role may change: those of one environment, or of all that are made for one test."""

    name: str
    """In names: `live`, or `*`."""
    tag: str | None
    """The value of the tag `Environment`; None: any but those of permanent environments."""

    def is_another(self, key: str) -> dict[str, dict[str, object]]:
        """Return the conditions that a tag of `key` (ResourceTag, RequestTag) is another environment's."""
        environment = f"aws:{key}/Environment"
        if self.tag is None:
            return {"StringEquals": {environment: list(PERMANENT)}}
        return {"StringNotEquals": {environment: self.tag}, "Null": {environment: "false"}}


_PROJECT = FIXED_TAGS["Project"]

OF_TESTS = Owner(name="*", tag=None)
"""All environments that are made for one test."""

_ALL = frozenset(action for actions in ACTIONS.values() for action in actions)


def policy(environment: Environment, graph: Graph, account_id: str, partition: str) -> Document:
    """Return the policy of the role that deploys `environment`, whose recorded program is `graph`.

    Nobody with this policy can change what isn't the environment's, by tag or by name. Roles get rights only under the
    permissions boundary, which nobody with this policy can lift or edit, whatever other policies they have; nor can
    they change a role of another's or their own. Raises ConfigError for a type that isn't described here.
    """
    check_described(graph)
    owner = Owner(name=environment.name, tag=environment.name)
    boundary = environment.permissions_boundary_arn or access.boundary_arn(environment, account_id, partition)
    return access.document(
        [
            allow("Read", READING, "*"),
            *by_tag(environment.aws.region, account_id, partition),
            *by_name(owner, boundary, account_id, partition),
            *settled(environment, partition),
        ]
    )


def policy_of_tests(permanent: Iterable[Environment], account_id: str, partition: str) -> Document:
    """Return the policy of the role that makes environments for one test, and ends them.

    `permanent` are those beside which they are made, of which it can change nothing.
    """
    permanent = list(permanent)
    boundary = access.boundary_arn_of(access.OF_TESTS, account_id, partition)
    return access.document(
        [
            allow("Read", READING, "*"),
            *by_tag(permanent[0].aws.region, account_id, partition),
            *by_name(OF_TESTS, boundary, account_id, partition),
            *settled_of_tests(permanent, account_id, partition),
        ]
    )


def check_described(graph: Graph) -> None:
    """Raise ConfigError if the program uses a type of AWS's that isn't described here."""
    used = {type_ for resource in graph if (type_ := resource.type).startswith("aws:") or type_ == types.ROLLOUT}
    unknown = sorted(used - ACTIONS.keys())
    if unknown:
        raise ConfigError(
            Problem(
                where=f"infra/deploying_role.py: {type_}",
                message="is used by the program, and the deploying role's actions for it are missing",
                fix="add it to ACTIONS",
            )
            for type_ in unknown
        )


def by_tag(region: str, account_id: str, partition: str) -> list[Statement]:
    """Return what may be changed in the services that look at tags, of the project's, and made with such tags.

    Whose of the project's is `by_name`'s to narrow: one without the other is no policy. Each of a request's resources
    is looked at by itself (IAM guide, policy evaluation logic): making a subnet takes tags for the subnet, and a
    network that has them. Tags are given only to what is being made, so that nobody makes another's thing their own by
    tagging it; but for the default security group of a network, which AWS makes without any. That is the gap that
    stays: a security group that nobody has tagged can be claimed.
    """
    needed = {action for action in _ALL if action.split(":")[0] in TAGGED} - {STARTING}
    making = _ours("RequestTag", region)
    elastic, scaling = f"arn:{partition}:ec2:*:{account_id}", f"arn:{partition}:autoscaling:*:{account_id}"
    untagged = {
        "StringEquals": {"aws:RequestedRegion": region},
        "StringEqualsIfExists": {"aws:RequestTag/Project": _PROJECT},
        "Null": {"aws:ResourceTag/Environment": "true"},
    }
    started = {
        "StringEquals": {"aws:RequestedRegion": region},
        "ArnLike": {"ec2:LaunchTemplate": f"{elastic}:launch-template/*"},
    }
    return [
        allow("ByTag", sorted(needed - (MAKING - MAKING_WITHIN)), "*", Condition=_ours("ResourceTag", region)),
        allow("MakeWithTags", sorted(MAKING), "*", Condition=making),
        allow("MakeRules", sorted(MAKING_RULES), f"{elastic}:security-group-rule/*", Condition=making),
        # Tags of a new group are a request of their own to IAM (EC2 Auto Scaling guide, tags and access).
        allow(
            "TagGroups",
            "autoscaling:CreateOrUpdateTags",
            f"{scaling}:autoScalingGroup:*:autoScalingGroupName/*-service-???????",
            Condition=making,
        ),
        *(
            allow(
                f"TagWhatIsMade{number}",
                action,
                "*",
                Condition={**making, "Null": {**making["Null"], f"{action.split(':')[0]}:CreateAction": "false"}},
            )
            for number, action in enumerate(("ec2:CreateTags", "elasticloadbalancing:AddTags"))
        ),
        allow(
            "DefaultGroup",
            ["ec2:CreateTags", "ec2:RevokeSecurityGroupEgress", "ec2:RevokeSecurityGroupIngress"],
            f"{elastic}:security-group/*",
            Condition=untagged,
        ),
        # A group starts instances with the rights of whoever gave it a launch template.
        allow("Start", STARTING, "*", Condition=started),
    ]


def _ours(key: str, region: str) -> dict[str, dict[str, object]]:
    """Return the conditions that tags of `key` (ResourceTag, RequestTag) are of the project's, in `region`."""
    return {
        "StringEquals": {"aws:RequestedRegion": region, f"aws:{key}/Project": _PROJECT},
        "Null": {f"aws:{key}/Environment": "false"},
    }


def by_name(owner: Owner, boundary: str, account_id: str, partition: str) -> list[Statement]:
    """Return what may be changed where names say whose it is, and that nothing may be that has another's tag.

    `boundary` is the ARN of the permissions boundary that roles must have to be given rights.
    """
    alarms, _, _, groups, topics = _prefixes(owner.name, account_id, partition)
    dashboard = f"arn:{partition}:cloudwatch::{account_id}:dashboard/{PREFIX}-{owner.name}"
    actions = {service: set(_of(service)) for service in ("cloudwatch", "iam", "logs", "route53", "sns")}
    # In full: `eps-dos-api-*` is also what operators are called.
    identities = f"arn:{partition}:iam::{account_id}"
    own = [
        f"{identities}:{kind}/{PREFIX}-{owner.name}-{label}"
        for kind, label in (("instance-profile", "service"), ("role", "flow-log"), ("role", "service"))
    ]
    linked = f"{identities}:role/aws-service-role/*"
    others: list[Statement] = [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Action": [f"{service}:*" for service in TAGGED],
            "Resource": "*",
            "Condition": owner.is_another(key),
        }
        for sid, key in (("NothingOfOthers", "ResourceTag"), ("NothingForOthers", "RequestTag"))
    ]
    return [
        *others,
        allow(
            "OwnByName",
            sorted((actions["cloudwatch"] | actions["logs"] | actions["sns"]) - {_COMPOSITE}),
            [f"{alarms}-*", dashboard, f"{groups}-*", f"{topics}-*"],
        ),
        # Refused where the right is narrower than this (CloudWatch API, PutCompositeAlarm).
        allow("CompositeAlarms", _COMPOSITE, "*"),
        allow("Roles", sorted(actions["iam"] - {"iam:PassRole"} - BOUNDED), own),
        allow("BoundedRoles", sorted(BOUNDED), own, Condition={"StringEquals": {"iam:PermissionsBoundary": boundary}}),
        {"Sid": "KeepBoundary", "Effect": "Deny", "Action": "iam:DeleteRolePermissionsBoundary", "Resource": "*"},
        # The boundary's policy, the deploying role itself, and roles of others.
        {"Sid": "NoOtherIdentities", "Effect": "Deny", "Action": list(CHANGING_IAM), "NotResource": [*own, linked]},
        allow("PassRoles", "iam:PassRole", own, Condition={"StringEquals": {"iam:PassedToService": list(PASSED_TO)}}),
        allow(
            "ServiceLinkedRoles",
            "iam:CreateServiceLinkedRole",
            linked,
            Condition={"StringEquals": {"iam:AWSServiceName": list(SERVICE_LINKED)}},
        ),
        # Private DNS names of interface endpoints, in a zone of AWS's own.
        allow("PrivateNames", sorted(actions["route53"] - {_CHANGE_RECORDS}), "*"),
    ]


def settled(environment: Environment, partition: str, zone_id: str = "*") -> list[Statement]:
    """Return what may be changed of what people gave its name: the environment's record, and its dataset.

    `zone_id` is that of the hosted zone; `*`: whichever has the environment's name.
    """
    statements = [
        allow(
            "OwnRecord",
            _CHANGE_RECORDS,
            f"arn:{partition}:route53:::hostedzone/{zone_id}",
            # The key has a value per record of the request; without the second line a request with none would pass.
            Condition={
                "ForAllValues:StringEquals": {_CHANGED_NAMES: [environment.dns.name.lower()]},
                "Null": {_CHANGED_NAMES: "false"},
            },
        )
    ]
    if environment.dataset.owned:
        bucket = access.bucket_arns(environment.dataset.bucket, partition)
        statements.append(allow("Dataset", sorted(_of("s3")), list(bucket)))
    return statements


def settled_of_tests(
    permanent: Iterable[Environment], account_id: str, partition: str, zone_id: str = "*"
) -> list[Statement]:
    """Return what else the role may change that makes environments for one test, and ends them whatever was left.

    `permanent` are those beside which they are made, whose names stay out of reach.
    """
    permanent = list(permanent)
    zones = sorted({environment.dns.hosted_zone.lower() for environment in permanent})
    records = sorted({environment.dns.name.lower() for environment in permanent})
    zone = f"arn:{partition}:route53:::hostedzone/{zone_id}"
    return [
        allow("Leftovers", LEFTOVERS, "*", Condition=_ours("ResourceTag", permanent[0].aws.region)),
        allow(
            "Dataset",
            sorted({*_of("s3"), *EMPTYING}),
            list(access.bucket_arns(f"{PREFIX}-*-dataset", partition)),
        ),
        {
            "Sid": "NoNamesOfOthers",
            "Effect": "Deny",
            "Action": [f"{service}:*" for service in ("cloudwatch", "iam", "logs", "s3", "sns")],
            "Resource": [
                arn
                for environment in permanent
                for arn in (
                    *(f"{prefix}-*" for prefix in _prefixes(environment.name, account_id, partition)),
                    f"{access.bucket_arns(environment.dataset.bucket, partition)[0]}*",
                )
            ],
        },
        allow(
            "RecordsOfTests",
            _CHANGE_RECORDS,
            zone,
            Condition={
                "ForAllValues:StringLike": {_CHANGED_NAMES: [f"dos-*.{name}" for name in zones]},
                "Null": {_CHANGED_NAMES: "false"},
            },
        ),
        {
            "Sid": "NoRecordsOfOthers",
            "Effect": "Deny",
            "Action": _CHANGE_RECORDS,
            "Resource": zone,
            "Condition": {"ForAnyValue:StringEquals": {_CHANGED_NAMES: records}},
        },
    ]


def _prefixes(name: str, account_id: str, partition: str) -> tuple[str, ...]:
    """Return how the ARNs begin of what an environment has by name."""
    return (
        f"arn:{partition}:cloudwatch:*:{account_id}:alarm:{PREFIX}-{name}",
        f"arn:{partition}:iam::{account_id}:instance-profile/{PREFIX}-{name}",
        f"arn:{partition}:iam::{account_id}:role/{PREFIX}-{name}",
        f"arn:{partition}:logs:*:{account_id}:log-group:{PREFIX}-{name}",
        f"arn:{partition}:sns:*:{account_id}:{PREFIX}-{name}",
    )


def _of(service: str) -> list[str]:
    return [action for action in _ALL if action.split(":")[0] == service]
