"""Names: which a stack may have, so that every name made from it is within AWS's limits.

A stack's name meets paths, command lines, URNs and the names of load balancers; it is checked before any of them.
"""

import re
from pathlib import Path

from infra.errors import ConfigError

LONGEST_STACK_NAME = 20
"""Load balancers and target groups hold 32 characters (ELB API): this, `-lb` or `-tg`, and what Pulumi adds, 8."""
NO_BALANCER_BEGINS = "internal-"
"""What AWS keeps for names that it makes itself (ELB API, CreateLoadBalancer: "must not begin with")."""
NO_SECURITY_GROUP_BEGINS = "sg-"
"""What ids of security groups begin with (EC2 API, CreateSecurityGroup: "cannot start with")."""
_STACK_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{LONGEST_STACK_NAME - 1}}}")


def check_stack_name(name: str) -> str:
    """Return `name` if a stack may have it. Raises ConfigError."""
    # Names of balancers and security groups are made of the stack's and a word after it.
    reserved = (NO_BALANCER_BEGINS, NO_SECURITY_GROUP_BEGINS)
    if f"{name}-".startswith(reserved):
        raise ConfigError.of(
            "stack name",
            f"is {name!r}; AWS refuses names of load balancers and of security groups that begin with "
            f"{' and '.join(reserved)}",
            "choose a name that begins otherwise",
        )
    if _STACK_NAME.fullmatch(name) and not name.endswith("-"):
        return name
    shown = name if len(name) <= 2 * LONGEST_STACK_NAME else f"{name[: 2 * LONGEST_STACK_NAME]}..."
    raise ConfigError.of(
        "stack name",
        f"is {shown!r}; allowed: a lower-case letter, then lower-case letters, digits and hyphens, "
        f"at most {LONGEST_STACK_NAME} characters, no hyphen at the end",
        "choose another name, such as live, nft, int, dev or one for your test",
    )


LIVE = "live"
PERMANENT = ("live", "nft", "int", "dev")
"""The generally available environments of the API overview."""


def stack_file(stack: str) -> str:
    """Return the name of the file with the configuration of `stack`."""
    return f"Pulumi.{stack}.yaml"


def stack_names(folder: Path) -> tuple[str, ...]:
    """Return the stacks that have a file in `folder`, sorted: the permanent ones."""
    files = folder.glob("Pulumi.*.yaml")
    return tuple(sorted(file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files))
