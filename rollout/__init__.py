"""The project's own Pulumi provider, `eps-dos`: its one resource is the rollout of a release.

The engine runs this folder from source (Pulumi.yaml, `plugins`), so no code lies in a state, where whoever may write
states could swap it. Every preview starts it: nothing slow is imported before a rollout needs it.
"""
