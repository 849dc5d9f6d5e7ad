"""Tags of everything that an environment has in AWS: which there must be, and who says what is in them."""

from __future__ import annotations

DECIDED_TAGS = ("Owner", "CostCentre", "DataClassification")
"""Those that people decide about; the others follow from the environment."""
ACCOUNTING_TAGS = ("CostCentre", "Owner")
"""Those that say who pays and whom to ask. Instances get them from their group, and not from the launch template, where
a change would be a new version, and that is a rollout; so volumes and interfaces of instances, which a group doesn't
tag, lack them (EC2 Auto Scaling guide, tag Auto Scaling groups and instances)."""
FIXED_TAGS = {"Project": "eps-dos-api", "Service": "directory-of-services-api", "ManagedBy": "pulumi"}
EXPIRY_TAG = "ExpiresAt"
"""Until when an environment made for one test is there; the one tag that changes during an environment's life."""
REQUIRED_TAGS = tuple(sorted({*DECIDED_TAGS, *FIXED_TAGS, "Environment"}))
COMPUTED_TAGS = frozenset({*FIXED_TAGS, "Environment", EXPIRY_TAG, "Name"})
"""What no stack file may set."""
