"""`python -m benchmarks`: measure, and print what was measured."""

import os

from benchmarks import fleet, preview, review

# The emulator takes anybody; whoever has real credentials keeps them to themselves.
os.environ |= {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
print(fleet.as_text([*fleet.rows()]), review.as_text(), preview.as_text([*preview.rows()]), sep="\n\n")  # noqa: T201 - a command's answer
