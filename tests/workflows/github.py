#!/usr/bin/env python3
"""A stand-in for `gh api`, as GitHub's command of that name: it keeps issues and comments in a file, and applies --jq.

`$GH_STATE` is a JSON file: `issues`, `comments` and `pulls` are lists of what GitHub's REST API would return, `runs`
are workflows with when they succeeded, `stopped` those that GitHub starts no more, and `calls` is filled with
`METHOD path`. `fails` is a call whose first page is printed and whose second can't be had. An option or an address that
isn't here is an error: a workflow that needs one has a test to write.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

BOT = {"login": "github-actions[bot]"}


def answer(state: dict[str, Any], method: str, path: str, fields: dict[str, str], body: dict[str, Any]) -> Any:
    """Return what the API does; `state` is changed as GitHub's would be."""
    issues, comments = state["issues"], state["comments"]
    match [method, *re.sub(r"^repos/o/r/", "", path).split("/")]:
        case ["GET", "pulls"]:
            owner, _, branch = fields["head"].partition(":")
            return [
                pull
                for pull in state["pulls"]
                if (pull["state"], pull["head"]["ref"], pull["head"]["user"]["login"])
                == (fields["state"], branch, owner)
            ]
        case ["GET", "actions", "workflows", file]:
            return {"path": file, "state": state["stopped"].get(file, "active")}
        case ["GET", "actions", "workflows", file, "runs"]:
            runs = [{"updated_at": at} for name, at in state["runs"] if name == file and fields["status"] == "success"]
            return {"workflow_runs": runs[: int(fields["per_page"])]}
        case ["GET", "issues"]:
            wanted = (fields["state"], fields["labels"])
            return [issue for issue in issues if (issue["state"], issue["labels"][0]["name"]) == wanted]
        case ["POST", "issues"]:
            labels = [{"name": name} for name in body.pop("labels")]
            issues.append({"number": 100 + len(issues), "state": "open", "user": BOT, "labels": labels, **body})
            return issues[-1]
        case ["GET" | "PATCH", "issues", number]:
            (issue,) = [issue for issue in issues if issue["number"] == int(number)]
            issue.update(body)
            return issue
        case ["GET", "issues", number, "comments"]:
            return [comment for comment in comments if comment["issue"] == int(number)]
        case ["POST", "issues", number, "comments"]:
            comments.append({"id": 1000 + len(comments), "issue": int(number), "user": BOT, **body})
            return comments[-1]
        case ["PATCH", "issues", "comments", wanted_id]:
            (comment,) = [comment for comment in comments if comment["id"] == int(wanted_id)]
            comment.update(body)
            return comment
    sys.exit(f"gh: {method} {path}: Not Found (HTTP 404)")


def main(arguments: list[str]) -> None:
    """Answer one call."""
    file = Path(os.environ["GH_STATE"])
    state = json.loads(file.read_text())
    if arguments.pop(0) != "api" or not os.environ.get("GH_TOKEN"):
        sys.exit("gh: only `gh api`, with GH_TOKEN set")
    method, query, paths, fields, body, silent = "GET", "", [], {}, {}, False
    while arguments:
        match arguments.pop(0):
            case "--paginate":
                pass
            case "--silent":
                silent = True
            case "--method":
                method = arguments.pop(0)
            case "--jq":
                query = arguments.pop(0)
            case "--input":
                body = json.loads(Path(arguments.pop(0)).read_text(encoding="utf-8"))
            case "-f":
                key, _, value = arguments.pop(0).partition("=")
                fields[key] = value
            case option if option.startswith("-"):
                sys.exit(f"gh: unknown flag: {option}")
            case path:
                paths.append(path)
    (path,) = paths
    state["calls"].append(f"{method} {path}")
    found = answer(state, method, path, fields, body)
    file.write_text(json.dumps(state))
    if not silent:
        printed = subprocess.run(["jq", "--raw-output", query or "."], input=json.dumps(found), text=True, check=False)
        if printed.returncode:
            sys.exit(printed.returncode)
    if state["fails"] == f"{method} {path}":
        sys.exit("gh: HTTP 502")


if __name__ == "__main__":
    main(sys.argv[1:])
