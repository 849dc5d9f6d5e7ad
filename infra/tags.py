"""Tags of everything that an environment has in AWS: which there must be, and who says what is in them."""

from __future__ import annotations

DECIDED_TAGS = ("Owner", "CostCentre", "DataClassification")
"""Those that people decide about; the others follow from the environment."""
FIXED_TAGS = {"Project": "eps-dos-api", "Service": "directory-of-services-api", "ManagedBy": "pulumi"}
EXPIRY_TAG = "ExpiresAt"
"""Until when an environment made for one test is there; the one tag that changes during an environment's life."""
REQUIRED_TAGS = tuple(sorted({*DECIDED_TAGS, *FIXED_TAGS, "Environment"}))
COMPUTED_TAGS = frozenset({*FIXED_TAGS, "Environment", EXPIRY_TAG, "Name"})
"""What no stack file may set."""
