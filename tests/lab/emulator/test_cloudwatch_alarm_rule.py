"""The rules of composite alarms are read as CloudWatch reads them."""

from __future__ import annotations

import pytest

from lab.emulator.extensions.cloudwatch_alarm_rule import AlarmRuleError, parse

STATES = {"a": "ALARM", "b": "OK", "c d": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ('ALARM("a")', True),
        ("ALARM(a)", True),
        ("ALARM(arn:aws:cloudwatch:eu-west-2:123456789012:alarm:a)", True),
        ('INSUFFICIENT_DATA("c d")', True),
        ("OK(a) OR ALARM(b)", False),
        ("ALARM(b) OR ALARM(a) AND OK(b)", True),
        ("(ALARM(a) OR ALARM(b)) AND ALARM(b)", False),
        ("ALARM(a) AND NOT ALARM(b)", True),
        ("NOT (ALARM(a) OR FALSE)", False),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_a_rule_is_evaluated(rule: str, holds: bool) -> None:
    assert parse(rule).holds(STATES.__getitem__) is holds


def test_a_rule_knows_whom_it_asks() -> None:
    assert parse('ALARM("c d") OR (OK(a) AND ALARM(a))').alarm_names == ("c d", "a")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("", "found the end"),
        ("ALARM", r"expected '\('"),
        ("ALARM()", "alarm's name"),
        ("ALARM(a) ALARM(b)", "expected AND, OR or the end"),
        ("ALARM(a) XOR ALARM(b)", "found 'XOR'"),
        ("(ALARM(a)", r"expected '\)'"),
        ("AND ALARM(a)", "found 'AND'"),
        ('ALARM("a', "unexpected"),
    ],
)
def test_what_is_no_rule_is_refused(rule: str, message: str) -> None:
    with pytest.raises(AlarmRuleError, match=message):
        parse(rule)
