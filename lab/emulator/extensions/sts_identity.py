"""GetCallerIdentity: who the lab's keys belong to, the same as where policies are evaluated.

Rules: STS API reference, GetCallerIdentity; IAM User Guide, "Unique identifiers" (a root's id is its account number).
moto says that unknown keys are a user's, who isn't in IAM.
"""

from __future__ import annotations

from moto.sts.models import STSBackend, sts_backends

from lab.emulator.extensions.hooks import extends


@extends(sts_backends)
class Callers(STSBackend):
    """moto's backend, with the account's root for every key that nobody else has."""

    def get_caller_identity(self, access_key_id: str, region: str) -> tuple[str, str, str]:
        """GetCallerIdentity: user id, ARN and account."""
        user_id, arn, account = super().get_caller_identity(access_key_id, region)
        if arn.endswith(":user/moto"):
            return account, f"arn:{self.partition}:iam::{account}:root", account
        return user_id, arn, account
