"""SimulatePrincipalPolicy, which moto doesn't have.

Rules: IAM API reference, "SimulatePrincipalPolicy" and "EvaluationResult". A result per action and resource.
Left out: organisations, positions of statements, boundaries where a resource's policy is given. Simulating a role
together with such a policy works here; AWS documents it for users only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import IAMException, NotFoundException
from moto.iam.responses import IamResponse

from lab.emulator.extensions.hooks import adds_to
from lab.emulator.extensions.iam_identities import boundary_statements, identity_statements
from lab.emulator.policy_evaluation import (
    Decision,
    Principal,
    Request,
    Statement,
    evaluate,
    evaluate_identity,
    missing_context_keys,
    statements_of,
)


@adds_to(IamResponse)
class SimulationActions(IamResponse):
    """The API's action."""

    def simulate_principal_policy(self) -> ActionResult:
        parameters = self._get_params()
        source = Principal(parameters["PolicySourceArn"])
        try:
            identity = identity_statements(source)
        except (KeyError, IndexError):
            raise NotFoundException(f"Entity {source.arn} does not exist") from None
        extra = [
            statement
            for number, document in enumerate(parameters.get("PolicyInputList", []), start=1)
            for statement in _parsed(document, f"PolicyInputList.{number}", "none")
        ]
        resource_policy = parameters.get("ResourcePolicy")
        resource = _parsed(resource_policy, "ResourcePolicy", "resource") if resource_policy else []
        asked = Principal(parameters.get("CallerArn") or source.arn)
        context = {entry["ContextKeyName"]: entry["ContextKeyValues"] for entry in parameters.get("ContextEntries", [])}
        results = [
            _simulate(
                identity + extra,
                resource,
                Request(action, arn, _with_caller(context, asked)),
                asked,
                parameters.get("ResourceOwner") or asked.account,
                boundary_statements(source),
            )
            for action in parameters["ActionNames"]
            for arn in parameters.get("ResourceArns") or ["*"]
        ]
        return ActionResult({"EvaluationResults": results, "IsTruncated": False})


def _simulate(
    identity: list[Statement],
    resource: list[Statement],
    request: Request,
    asked: Principal,
    owner: str,
    boundary: list[Statement] | None,
) -> dict[str, Any]:
    if resource:
        verdict = evaluate(
            identity, resource, request, asked, owner.removeprefix("arn:aws:iam::").removesuffix(":root")
        )
    else:
        verdict = evaluate_identity(identity, request, boundary)
    matched = [{"SourcePolicyId": one.source, "SourcePolicyType": one.kind} for one in verdict.statements]
    missing = missing_context_keys([*identity, *resource], request)
    result: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": verdict.decision.value,
        "MatchedStatements": matched,
        "MissingContextValues": missing,
    }
    if boundary is not None:
        within = evaluate_identity(boundary, request).decision is Decision.ALLOWED
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": within}
    if request.resource != "*":
        result["ResourceSpecificResults"] = [
            {
                "EvalResourceName": request.resource,
                "EvalResourceDecision": verdict.decision.value,
                "MatchedStatements": matched,
                "MissingContextValues": missing,
            }
        ]
    return result


def _parsed(document: str, source: str, kind: str) -> list[Statement]:
    try:
        return statements_of(document, source, kind)
    except ValueError as error:
        raise IAMException("InvalidInput", f"Invalid policy in {source}: {error}") from None


def _with_caller(context: Mapping[str, list[str]], asked: Principal) -> dict[str, list[str]]:
    # A key that is given wins, whatever its case.
    given = {name.lower() for name in context}
    known = {"aws:PrincipalArn": [asked.arn], "aws:PrincipalAccount": [asked.account]}
    return {**{name: values for name, values in known.items() if name.lower() not in given}, **context}
