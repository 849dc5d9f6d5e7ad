"""The policy pack: `infra.rules`, asked by the Pulumi engine."""
