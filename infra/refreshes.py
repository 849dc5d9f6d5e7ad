"""Instance refreshes as AWS describes them, for whoever looks at one: the rollout's provider and `eps-dos release`."""

ACTIVE = frozenset({"Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress"})
"""Statuses of a refresh that isn't over (EC2 Auto Scaling API, InstanceRefresh.Status)."""
