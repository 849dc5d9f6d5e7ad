"""Alarms as CloudWatch keeps them: composite ones, states, what may be deleted, and refusals.

Rules: CloudWatch API reference (PutMetricAlarm, PutCompositeAlarm, DeleteAlarms, DescribeAlarms, SetAlarmState,
TagResource) and User Guide, "Using Amazon CloudWatch alarms" (states, missing data). moto has no composite alarms,
starts alarms as OK, and forgets their state at each update.

In the lab no metric has data. After SETTLING_SECONDS an alarm is in the state that its treatment of missing data gives,
until SetAlarmState says otherwise: in AWS that lasts until the next evaluation, here until the next SetAlarmState.
Left out: evaluation of metrics, actions, history, suppressors, log alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moto.cloudwatch.exceptions import ResourceNotFoundException, ValidationError
from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow

from lab.emulator import clock
from lab.emulator.extensions.cloudwatch_alarm_rule import AlarmRule, AlarmRuleError, parse
from lab.emulator.extensions.hooks import adds_to, each, extends

SETTLING_SECONDS = 60.0
ALARMS_PER_PAGE = 50
TAGS_PER_ALARM = 50
# "Configuring how CloudWatch alarms treat missing data": the state of an alarm without any data.
STATE_WITHOUT_DATA = {
    "breaching": "ALARM",
    "notBreaching": "OK",
    "ignore": "INSUFFICIENT_DATA",
    "missing": "INSUFFICIENT_DATA",
    None: "INSUFFICIENT_DATA",
}


@extends(cloudwatch_backends)
class Alarms(CloudWatchBackend):
    """moto's backend, with composite alarms and with states that survive."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.settles_at: dict[str, float] = {}

    def put_metric_alarm(self, name: str, *positional: Any, **settings: Any) -> Alarm:
        """PutMetricAlarm and PutCompositeAlarm: an update keeps state and tags."""
        before = self.alarms.get(name)
        if before is not None and (before.rule is None) != (settings.get("rule") is None):
            raise ValidationError(f"An alarm with the name {name} and of another type exists already")
        if settings.get("rule") is None:
            _check_metric_alarm(settings)
        if before is not None:
            settings["tags"] = None
        alarm = super().put_metric_alarm(name, *positional, **settings)
        if before is not None:
            for attribute in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
                setattr(alarm, attribute, getattr(before, attribute))
        else:
            alarm.state_value = "INSUFFICIENT_DATA"
            self.settles_at[name] = clock.now() + SETTLING_SECONDS
        return alarm

    def put_composite_alarm(self, name: str, rule: str, **settings: Any) -> Alarm:
        """PutCompositeAlarm: the alarms that the rule names must exist."""
        parsed = _parsed(rule)
        missing = [alarm for alarm in parsed.alarm_names if alarm not in self.alarms]
        if missing:
            raise ValidationError(
                f"Could not save the composite alarm as alarms [{', '.join(missing)}] in the alarm rule do not exist"
            )
        alarm = self.put_metric_alarm(
            name,
            **dict.fromkeys(("namespace", "metric_name", "comparison_operator", "evaluation_periods")),
            **dict.fromkeys(("period", "threshold", "statistic")),
            dimensions=[],
            rule=rule,
            **settings,
        )
        alarm.alarm_rule = rule  # type: ignore[attr-defined]  # as the answer calls it
        return alarm

    def delete_alarms(self, alarm_names: list[str]) -> None:
        """DeleteAlarms: one composite at most, and none that another one depends on; unknown names are no error."""
        known = [name for name in alarm_names if name in self.alarms]
        if sum(self.alarms[name].rule is not None for name in known) > 1:
            raise ValidationError("At most one composite alarm can be deleted in one request")
        for name in known:
            if any(parent.name not in known for parent in self.parents(name)):
                raise ValidationError(f"Cannot delete {name} as there are composite alarm(s) depending on it.")
        for name in known:
            self.tagger.delete_all_tags_for_resource(self.alarms[name].alarm_arn)
            self.settles_at.pop(name, None)
        super().delete_alarms(known)

    def set_alarm_state(self, alarm_name: str, reason: str, reason_data: str, state_value: str) -> None:
        super().set_alarm_state(alarm_name, reason, reason_data, state_value)
        self.settles_at.pop(alarm_name, None)

    def list_tags_for_resource(self, arn: str) -> dict[str, str]:
        """ListTagsForResource: of what isn't there, an error (moto: no tags)."""
        self._check_exists(arn)
        return super().list_tags_for_resource(arn)

    def tag_resource(self, arn: str, tags: dict[str, str]) -> None:
        self._check_exists(arn)
        if len({**self.tagger.get_tag_dict_for_resource(arn), **tags}) > TAGS_PER_ALARM:
            raise ValidationError(f"The maximum number of tags is {TAGS_PER_ALARM}")
        super().tag_resource(arn, tags)

    def untag_resource(self, arn: str, tag_keys: list[str]) -> None:
        self._check_exists(arn)
        self.tagger.untag_resource_using_names(arn, tag_keys)

    def parents(self, name: str) -> list[Alarm]:
        """Return the composite alarms whose rule names the alarm `name`."""
        return [alarm for alarm in self.alarms.values() if alarm.rule and name in parse(alarm.rule).alarm_names]

    def children(self, name: str) -> list[Alarm]:
        """Return the alarms that the rule of the composite alarm `name` names."""
        alarm = self.alarms.get(name)
        if alarm is None or not alarm.rule:
            raise ValidationError(f"{name} is no composite alarm")
        return [self.alarms[child] for child in parse(alarm.rule).alarm_names if child in self.alarms]

    def advance(self, now: float) -> None:
        """Move on to `now`: new alarms settle, then composite ones follow the alarms they name."""
        for name, due in list(self.settles_at.items()):
            alarm = self.alarms[name]
            if alarm.rule is None and due <= now:
                del self.settles_at[name]
                self._change(alarm, STATE_WITHOUT_DATA[alarm.treat_missing_data])
        for alarm in self.alarms.values():
            if alarm.rule:
                self._change(alarm, "ALARM" if self._holds(alarm.rule, ()) else "OK")

    def _holds(self, rule: str, asking: tuple[str, ...]) -> bool:
        def state_of(name: str) -> str:
            alarm = self.alarms.get(name)
            if alarm is None or name in asking:
                return "INSUFFICIENT_DATA"  # gone, or a circle: nothing is evaluated
            if alarm.rule:
                return "ALARM" if self._holds(alarm.rule, (*asking, name)) else "OK"
            return str(alarm.state_value)

        return parse(rule).holds(state_of)

    def _change(self, alarm: Alarm, state: str) -> None:
        if alarm.state_value != state:
            alarm.update_state(f"The lab has no data for it: {state}", "{}", state)
            alarm.state_transitioned_timestamp = utcnow()  # type: ignore[attr-defined]  # as the answer calls it

    def _check_exists(self, arn: str) -> None:
        known = {alarm.alarm_arn for alarm in self.alarms.values()}
        known |= {rule.rule_arn for rule in self.insight_rules.values()}
        if arn not in known:
            raise ResourceNotFoundException(f"The specified resource does not exist: {arn}")


@adds_to(CloudWatchResponse)
class AlarmActions(CloudWatchResponse):
    """The actions that moto lacks, or answers too simply."""

    def put_composite_alarm(self) -> ActionResult:
        self.cloudwatch_backend.put_composite_alarm(  # type: ignore[attr-defined]  # ours
            self._get_param("AlarmName"),
            self._get_param("AlarmRule"),
            description=self._get_param("AlarmDescription"),
            alarm_actions=self._get_param("AlarmActions", []),
            ok_actions=self._get_param("OKActions", []),
            insufficient_data_actions=self._get_param("InsufficientDataActions", []),
            actions_enabled=self._get_bool_param("ActionsEnabled"),
            tags=self._get_param("Tags", []),
        )
        return EmptyResult()

    def describe_alarms(self) -> ActionResult:
        """DescribeAlarms: metric alarms only, unless asked for others; all filters together; in pages."""
        backend: Any = self.cloudwatch_backend
        asked = self._get_params()
        if "ChildrenOfAlarmName" in asked:
            alarms = backend.children(asked["ChildrenOfAlarmName"])
            types: Iterable[str] = ("MetricAlarm", "CompositeAlarm")
        elif "ParentsOfAlarmName" in asked:
            alarms, types = backend.parents(asked["ParentsOfAlarmName"]), ("CompositeAlarm",)
        else:
            types = asked.get("AlarmTypes") or ("MetricAlarm",)
            alarms = [alarm for alarm in backend.alarms.values() if _fits(alarm, asked)]
        alarms = [alarm for alarm in alarms if ("CompositeAlarm" if alarm.rule else "MetricAlarm") in types]
        start = int(asked.get("NextToken") or 0)
        end = start + int(asked.get("MaxRecords") or ALARMS_PER_PAGE)
        page = sorted(alarms, key=lambda alarm: str(alarm.name))[start:end]
        return ActionResult(
            {
                "MetricAlarms": [alarm for alarm in page if not alarm.rule],
                "CompositeAlarms": [alarm for alarm in page if alarm.rule],
                "NextToken": str(end) if end < len(alarms) else None,
            }
        )


def advance(now: float) -> None:
    """Move every account's alarms on to `now`."""
    for backend in each(cloudwatch_backends, Alarms):
        backend.advance(now)


def _fits(alarm: Alarm, asked: Any) -> bool:
    actions = [*alarm.alarm_actions, *alarm.ok_actions, *alarm.insufficient_data_actions]
    tests: list[tuple[str, Callable[[Any], bool]]] = [
        ("AlarmNames", lambda names: alarm.name in names),
        ("AlarmNamePrefix", lambda prefix: str(alarm.name).startswith(prefix)),
        ("StateValue", lambda state: alarm.state_value == state),
        ("ActionPrefix", lambda prefix: any(action.startswith(prefix) for action in actions)),
    ]
    return all(test(asked[name]) for name, test in tests if asked.get(name))


def _parsed(rule: str) -> AlarmRule:
    try:
        return parse(rule)
    except AlarmRuleError as error:
        raise ValidationError(f"AlarmRule is invalid: {error}") from None


def _check_metric_alarm(settings: dict[str, Any]) -> None:
    queries = settings.get("metric_data_queries") or []
    if bool(queries) == bool(settings.get("metric_name")):
        raise ValidationError("Exactly one of the parameters MetricName and Metrics must be specified")
    if queries:
        returning = [query for query in queries if query.return_data is not False]
        if len(returning) != 1:
            raise ValidationError("Exactly one element of the metrics list should return data.")
        if settings.get("period") or settings.get("statistic") or settings.get("dimensions"):
            raise ValidationError("Metrics can't be combined with Period, Statistic or Dimensions")
    else:
        if not settings.get("statistic") and not settings.get("extended_statistic"):
            raise ValidationError("Either Statistic or ExtendedStatistic must be specified")
        period = int(settings.get("period") or 0)
        if period not in (10, 20, 30) and (period <= 0 or period % 60):
            raise ValidationError("Period must be 10, 20, 30 or a multiple of 60")
    periods, datapoints = settings.get("evaluation_periods"), settings.get("datapoints_to_alarm")
    if datapoints and int(datapoints) > int(periods or 0):
        raise ValidationError("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if settings.get("treat_missing_data") not in STATE_WITHOUT_DATA:
        raise ValidationError(
            f"Option {settings['treat_missing_data']} is not supported. Supported options for parameter "
            "TreatMissingData are breaching, notBreaching, ignore and missing."
        )
