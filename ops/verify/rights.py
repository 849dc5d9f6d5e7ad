"""Who may change an environment's dataset and who may reach it, read from the policies and rules that AWS has. Pure.

A policy is held against the one that the program writes, statement by statement, so that whatever somebody added is
named, whether or not it happens to be effective. Left out: rights that come from elsewhere (service control policies,
users' own policies), which only a simulation in the account would show.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from infra import access, types
from infra.environment import DatasetPlan, Environment
from infra.graph import Graph, Resource, canonical_statement, policy_statements
from ops.aws.inventory import Inventory
from ops.output.report import Check

READS = frozenset({*access.READ_BUCKET, *access.READ_OBJECTS})


def check_dataset_policy(dataset: DatasetPlan, inventory: Inventory, account_id: str, partition: str) -> Check:
    """The bucket's policy is the one decided by the environment that owns it, given as `dataset`."""
    name, value = "dataset rights", "as decided: TLS only, named readers, named writers"
    if inventory.bucket is None:
        return Check.of(name, value, f"there is no bucket {dataset.bucket}")
    decided = _statements(access.dataset_policy(dataset, account_id, partition))
    written = _statements(inventory.bucket.policy or {})
    wrong = [f"{_wording(statement)}, which isn't decided" for key, statement in written.items() if key not in decided]
    wrong += [f"it lacks: {_wording(statement)}" for key, statement in decided.items() if key not in written]
    writers = [*dataset.operator_role_arns, *(area.supplier for area in dataset.supplier_areas)]
    evidence = f"the bucket's policy, {len(written)} statements; written by {', '.join(writers) or 'nobody'}"
    return Check.of(name, value, wrong, evidence)


def check_service_role(environment: Environment, inventory: Inventory, partition: str) -> Check:
    """The instances may read the dataset and write nothing in it, whatever else grants it."""
    name, value = "instances' rights", f"read {environment.dataset.bucket}, write nothing in it"
    wanted = access.service_role_name(environment.name)
    role = next((role for role in inventory.roles if role.name == wanted), None)
    if role is None:
        return Check.of(name, value, f"there is no role {wanted}")
    decided = access.service_permissions(environment.service, environment.dataset, environment.name, partition, "")
    never = next(statement for key, statement in _statements(decided).items() if statement["Effect"] == "Deny")
    statements = [statement for document in role.inline.values() for statement in _statements(document).values()]
    wrong = [f"{role.name} also has {arn}" for arn in role.attached]
    writing = [statement for statement in statements if statement["Effect"] == "Allow" and _writes(statement)]
    wrong += [f"{role.name}: {_wording(statement)}" for statement in writing]
    if _key(never) not in {_key(statement) for statement in statements}:
        wrong.append(f"{role.name} lacks the statement that denies writing: {_wording(never)}")
    policies = f"{len(role.inline)} {'policy' if len(role.inline) == 1 else 'policies'}"
    return Check.of(name, value, wrong, f"{policies} of {role.name}: reading is allowed, everything else denied")


def check_firewall(planned: Graph, inventory: Inventory) -> Check:
    """The rules of the security groups are those of the program, `planned`, and no others."""
    decided = set(_planned_rules(planned))
    there = set(_rules_there(inventory))
    wrong = [f"{rule} is not decided" for rule in sorted(there - decided)]
    wrong += [f"{rule} is missing" for rule in sorted(decided - there)]
    evidence = f"{len(there)} rules, each as the program makes it"
    return Check.of("firewall rules", "as decided, and no others", wrong, evidence)


def _statements(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {_key(statement): statement for statement in policy_statements(document)}


def _key(statement: Mapping[str, Any]) -> str:
    return json.dumps(canonical_statement(statement), sort_keys=True)


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _wording(statement: Mapping[str, Any]) -> str:
    """Return a statement as a sentence, short enough for a line."""
    verb = "allows" if statement.get("Effect") == "Allow" else "denies"
    actions = ", ".join(_listed(statement.get("Action", statement.get("NotAction", []))))
    what = actions if "Action" in statement else f"all but {actions}"
    principal = statement.get("Principal")
    names = principal.values() if isinstance(principal, Mapping) else [principal]
    to = f" to {', '.join(item for name in names for item in _listed(name))}" if principal is not None else ""
    sid = f"statement {statement['Sid']} " if statement.get("Sid") else "a statement "
    return f"{sid}{verb} {what}{to}"


def _writes(statement: Mapping[str, Any]) -> bool:
    if "NotAction" in statement:
        return True
    return any(
        action == "*" or (action.lower().startswith("s3:") and action not in READS)
        for action in _listed(statement.get("Action", []))
    )


def _planned_rules(planned: Graph) -> Iterable[str]:
    names = {str(resource.outputs.get("id")): resource for resource in planned}
    for type_, inbound in ((types.INGRESS, True), (types.EGRESS, False)):
        for rule in planned.of_type(type_):
            group = names[str(rule.inputs["securityGroupId"])]
            ports = int(float(str(rule.inputs["fromPort"]))), int(float(str(rule.inputs["toPort"])))
            yield _sentence(_label(group), inbound, str(rule.inputs["ipProtocol"]), ports, _planned_peer(rule, names))


def _planned_peer(rule: Resource, names: Mapping[str, Resource]) -> str:
    group = rule.inputs.get("referencedSecurityGroupId")
    if group is not None:
        return _label(names[str(group)])
    prefix_list = rule.inputs.get("prefixListId")
    if prefix_list is not None:
        return "clients" if str(prefix_list) in names else "a list of AWS's"
    return str(rule.inputs.get("cidrIpv4") or rule.inputs.get("cidrIpv6"))


def _label(group: Resource) -> str:
    tags = group.inputs.get("tags")
    return str(tags.get("Name", group.name)) if isinstance(tags, Mapping) else group.name


def _rules_there(inventory: Inventory) -> Iterable[str]:
    labels = {group.id: group.tags.get("Name", group.name) for group in inventory.security_groups}
    labels |= {clients.id: "clients" for clients in inventory.prefix_lists}
    for group in inventory.security_groups:
        for rule in group.rules:
            peer = labels.get(rule.peer, "a list of AWS's" if rule.peer.startswith("pl-") else rule.peer)
            yield _sentence(labels[group.id], rule.inbound, rule.protocol, (rule.from_port, rule.to_port), peer)


def _sentence(group: str, inbound: bool, protocol: str, ports: tuple[int, int], peer: str) -> str:
    shown = str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"
    return f"{group}: {protocol} {shown} {'from' if inbound else 'to'} {peer}"
