"""Target tracking of a scaling group's average CPU: the two alarms of a policy, and how many instances they ask for.

Rules: EC2 Auto Scaling User Guide, "Target tracking scaling policies" (scales out in proportion, in only where that
keeps the metric under the target; with scale-in off it only adds) and "Set the default instance warmup" (instances that
warm up count as capacity that is there already, not in the metric, and block scaling in). The alarms are those that AWS
makes for ASGAverageCPUUtilization and shows in CloudWatch: above the target for 3 datapoints within 3 minutes; under 70
% of it for 15 datapoints within 15 minutes (target 50: AlarmLow under 35).

Left out: other metrics, the alarms as CloudWatch alarms, and basic monitoring's periods of five minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

PERIOD_SECONDS = 60.0
PERIODS_TO_SCALE_OUT = 3
PERIODS_TO_SCALE_IN = 15
LOW_SHARE = 0.7


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Counts of a group's instances at a moment, and the load on them."""

    desired: int
    minimum: int
    maximum: int
    settled: int  # in service, and past their warm-up
    warming: int  # in service or about to be, and in their warm-up
    sharing: int  # in service, so that they have a share of the load
    load: float  # in instances that it would keep busy

    @property
    def cpu_percent(self) -> float | None:
        """The average CPU of those that are measured; None: nothing is."""
        return min(100.0, 100.0 * self.load / self.sharing) if self.settled else None


@dataclass(kw_only=True)
class Tracking:
    """One policy and its alarms; times are counted in periods."""

    target_percent: float
    scales_in: bool
    above: int = 0
    below: int = 0

    def period(self, fleet: Fleet) -> int:
        """Take one period's datapoint in, and return how many instances are desired then."""
        cpu = fleet.cpu_percent
        self.above = self.above + 1 if cpu is not None and cpu > self.target_percent else 0
        self.below = self.below + 1 if cpu is not None and cpu < LOW_SHARE * self.target_percent else 0
        if self.above >= PERIODS_TO_SCALE_OUT:
            return self._out(fleet)
        if self.below >= PERIODS_TO_SCALE_IN and not fleet.warming:
            return self._in(fleet)
        return fleet.desired

    def is_at_rest(self, fleet: Fleet) -> bool:
        """Tell whether no number of such periods changes what is desired."""
        cpu = fleet.cpu_percent
        if cpu is None or (LOW_SHARE * self.target_percent <= cpu <= self.target_percent):
            return True
        return (self._out(fleet) if cpu > self.target_percent else self._in(fleet)) == fleet.desired

    def _out(self, fleet: Fleet) -> int:
        return max(fleet.desired, min(self._in_proportion(fleet), fleet.maximum))

    def _in(self, fleet: Fleet) -> int:
        return min(fleet.desired, max(self._in_proportion(fleet), fleet.minimum)) if self.scales_in else fleet.desired

    def _in_proportion(self, fleet: Fleet) -> int:
        return ceil(fleet.settled * (fleet.cpu_percent or 0.0) / self.target_percent)
