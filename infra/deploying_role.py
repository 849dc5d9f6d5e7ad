"""What the role that deploys an environment must be allowed: its policy, from the resource types of the program.

Each type says which of AWS's actions make, change and delete it; a type that nobody has described is an error, so a new
one can't be forgotten here. Reading is allowed by kind of action (`Describe*`, `Get*`), never for what is in a dataset.
Left out: the trust of the role (whoever deploys decides it) and the backend that keeps the stacks' states.

Source: Service Authorization Reference, the page of each service; names of actions are those of IAM, which for S3 are
not always those of the API.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

from infra import access, types
from infra.access import Document, Statement, allow
from infra.environment import Environment
from infra.errors import ConfigError, Problem
from infra.graph import Graph

TAG_EC2 = ("ec2:CreateTags", "ec2:DeleteTags")
TAG_IAM = ("iam:TagRole", "iam:UntagRole")
TAG_ELB = ("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags")
TAG_CLOUDWATCH = ("cloudwatch:TagResource", "cloudwatch:UntagResource")

ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    types.SCALING_GROUP: (
        "autoscaling:CreateAutoScalingGroup",
        "autoscaling:CreateOrUpdateTags",
        "autoscaling:DeleteAutoScalingGroup",
        "autoscaling:DeleteTags",
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
    types.BUCKET: ("s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucketTagging"),
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
    types.ROLLOUT: ("autoscaling:StartInstanceRefresh",),
}
"""What making, changing and deleting a resource of a type takes."""

EMPTYING = ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions")
"""What deleting a bucket takes that is emptied first, which only environments made for one test are."""

LEFTOVERS = ("ec2:DeleteNetworkInterface", "ec2:DeleteVolume", "ec2:ReleaseAddress", "ec2:TerminateInstances")
"""What removing takes that no state knows of, beside what making the same types does; only of environments made for one
test, which have to go whatever became of the run that made them."""

READING = (
    "autoscaling:Describe*",
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

LONGEST_POLICY = 10_240
"""Characters of all inline policies of a role, white space left out (IAM quotas)."""

_IAM_NAMES = ("eps-dos-api-{stack}-service", "{stack}-service-???????", "{stack}-flow-log-???????")
"""The program's own: the role of the instances, and those whose names Pulumi ends with seven random characters."""

BOUNDED = frozenset({"iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"})
"""What gives a role rights: allowed only where it has the permissions boundary, or gets it (Service Authorization
Reference, IAM: actions that know `iam:PermissionsBoundary`; IAM guide, delegating by permissions boundaries)."""

CHANGING_IAM = tuple(
    f"iam:{verb}*" for verb in ("Add", "Attach", "Create", "Delete", "Detach", "Put", "Remove", "Set", "Update")
)
"""What changes identities and policies, as IAM names its actions."""

PASSED_TO = ("ec2.amazonaws.com", "vpc-flow-logs.amazonaws.com")
"""The services that the program's roles are for; nobody else, a person least of all, may be handed one."""

TAGGED = ("autoscaling:*", "ec2:*", "elasticloadbalancing:*")
"""Services whose changes and deletions know the tags of what they change (Service Authorization Reference)."""


def policy(environment: Environment, graph: Graph, account_id: str, partition: str) -> Document:
    """Return the policy of the role that deploys `environment`, whose recorded program is `graph`.

    Roles, buckets, records and regions are held to those of the environment, and nothing that is tagged as another's
    may be changed. What is untagged isn't held to anything. Roles get rights only under the permissions boundary, which
    nobody with this policy can lift or edit, whatever other policies they have; nor can they change a role of another's
    or their own. Raises ConfigError for a type that isn't described here.
    """
    aws, dataset = environment.aws, environment.dataset
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
    needed = {action for type_ in used for action in ACTIONS[type_]}
    if dataset.emptied_on_destroy:
        needed |= set(LEFTOVERS)
        # One that reads another's dataset has none to empty.
        needed |= set(EMPTYING) if dataset.owned else set()
    by_service = _by_service(needed)
    iam, s3 = by_service.pop("iam", []), by_service.pop("s3", [])
    names = [name.format(stack=graph.stack) for name in _IAM_NAMES]
    own = [
        f"arn:{partition}:iam::{account_id}:{kind}/{name}" for kind in ("instance-profile", "role") for name in names
    ]
    bucket = f"arn:{partition}:s3:::{dataset.bucket}"
    regional = {"StringEquals": {"aws:RequestedRegion": aws.region}}
    names_changed = sorted({str(record.inputs["name"]).lower() for record in graph.of_type(types.RECORD)})
    associating = sorted(set(by_service.pop("route53", [])) - {_CHANGE_RECORDS})
    iam = sorted(set(iam) - {"iam:PassRole"} - BOUNDED)
    linked = f"arn:{partition}:iam::{account_id}:role/aws-service-role/*"
    boundary = environment.permissions_boundary_arn or access.boundary_arn(account_id, partition)
    statements: list[Statement] = [
        allow("Read", READING, "*"),
        allow("Regional", sorted(itertools.chain(*by_service.values())), "*", Condition=regional),
        {
            # Also tagging: whoever may tag another's address makes it their own.
            "Sid": "NothingOfOthers",
            "Effect": "Deny",
            "Action": list(TAGGED),
            "Resource": "*",
            "Condition": {
                "StringNotEquals": {"aws:ResourceTag/Environment": graph.stack},
                "Null": {"aws:ResourceTag/Environment": "false"},
            },
        },
        allow(
            "OwnName",
            _CHANGE_RECORDS,
            f"arn:{partition}:route53:::hostedzone/*",
            # The key has a value per record of the request; without the second line a request with none would pass.
            Condition={
                "ForAllValues:StringEquals": {_CHANGED_NAMES: names_changed},
                "Null": {_CHANGED_NAMES: "false"},
            },
        ),
        allow("Roles", iam, own),
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
    ]
    if associating:
        statements.append(allow("PrivateNames", associating, "*"))
    if s3:
        statements.append(allow("Dataset", s3, [bucket, f"{bucket}/*"]))
    return {"Version": "2012-10-17", "Statement": statements}


def _by_service(actions: Iterable[str]) -> dict[str, list[str]]:
    by_service: dict[str, list[str]] = {}
    for action in sorted(actions):
        by_service.setdefault(action.split(":")[0], []).append(action)
    return by_service
