"""Log groups: retention periods that there are, tags by ARN.

Rules: CloudWatch Logs API reference (PutRetentionPolicy, TagResource, ListTagsForResource, DeleteLogGroup). moto takes
any number of days, tags what isn't there, and finds the old tags again in a group of a deleted one's name.
"""

from __future__ import annotations

from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogsBackend, logs_backends

from lab.emulator.extensions.hooks import extends

RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)


@extends(logs_backends)
class LogGroups(LogsBackend):
    """moto's backend, with these rules."""

    def put_retention_policy(self, log_group_name: str, retention_in_days: str) -> None:
        if int(retention_in_days) not in RETENTION_DAYS:
            raise InvalidParameterException(
                msg=(
                    f"1 validation error detected: Value '{retention_in_days}' at 'retentionInDays' failed to satisfy "
                    f"constraint: Member must satisfy enum value set: {list(RETENTION_DAYS)}"
                )
            )
        super().put_retention_policy(log_group_name, retention_in_days)

    def delete_log_group(self, log_group_name: str) -> None:
        """DeleteLogGroup: tags go with it."""
        group = self.groups.get(log_group_name)
        super().delete_log_group(log_group_name)
        if group is not None:
            self.tagger.delete_all_tags_for_resource(group.arn)

    def list_tags_for_resource(self, resource_arn: str) -> dict[str, str]:
        self._check_exists(resource_arn)
        return super().list_tags_for_resource(resource_arn)

    def tag_resource(self, arn: str, tags: dict[str, str]) -> None:
        self._check_exists(arn)
        super().tag_resource(arn, tags or {})

    def untag_resource(self, arn: str, tag_keys: list[str]) -> None:
        self._check_exists(arn)
        super().untag_resource(arn, tag_keys)

    def _check_exists(self, arn: str) -> None:
        # The ARN of a log group ends with its name; with :* behind it is that of its streams.
        if ":log-group:" in arn and arn not in {group.arn for group in self.groups.values()}:
            raise ResourceNotFoundException
