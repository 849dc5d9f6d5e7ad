"""Where stacks' states are kept: the keys that each has in the one bucket of all, and who may do what with them.

The layout is that of Pulumi's own backends (pkg/backend/diy: store.go, lock.go, stack_tags.go). A stack's name has no
dot, so `NAME.` is the beginning of its state, the copy of it and its tags, and of no other stack's. Left out:
`meta.yaml`, which whoever logs in first writes, and the bucket itself (`bootstrap`).
"""

from collections.abc import Iterable

from infra.access import READ_BUCKET, Statement, allow

STACKS = ".pulumi/stacks/"
HISTORY = ".pulumi/history/"
BACKUPS = ".pulumi/backups/"
LOCKS = ".pulumi/locks/organization/"
HOLDERS = ".pulumi/eps-dos/"
"""Who holds a lock, which `eps-dos` writes: beside the locks, where Pulumi takes every file for one."""

READING = ("s3:GetObject",)
WRITING = ("s3:DeleteObject", "s3:PutObject")
"""No version is ever removed: a state that was overwritten is what brings a stack back."""


def keys(project: str, stack: str) -> tuple[str, ...]:
    """Return what the objects of a stack are called: state, history, backups, locks. `*`: those of every stack."""
    folders = (HISTORY, BACKUPS, LOCKS, HOLDERS)
    return (f"{STACKS}{project}/{stack}.*", *(f"{folder}{project}/{stack}/*" for folder in folders))


def reading(bucket_arn: str, key_arn: str) -> list[Statement]:
    """Return what reading all states takes: a mirror is held against Live, a release against what ran before."""
    return [
        allow("ListStates", READ_BUCKET, bucket_arn),
        allow("ReadStates", READING, f"{bucket_arn}/.pulumi/*"),
        allow("ReadSecrets", "kms:Decrypt", key_arn),
    ]


def writing(bucket_arn: str, key_arn: str, project: str, stack: str, denied: Iterable[str] = ()) -> list[Statement]:
    """Return what changing the state of `stack` takes, or with `*` of every stack but those in `denied`."""
    statements = [
        allow("WriteStates", WRITING, [f"{bucket_arn}/{key}" for key in keys(project, stack)]),
        # A new stack has a data key made for it.
        allow("KeepSecrets", "kms:Encrypt", key_arn),
    ]
    others = [
        f"{bucket_arn}/.pulumi/{key}"
        for other in denied
        for key in (f"stacks/{project}/{other}.*", f"*/{project}/{other}/*")
    ]
    if others:
        statements.append({"Sid": "StatesOfOthers", "Effect": "Deny", "NotAction": list(READING), "Resource": others})
    return statements
