"""`python -m lab.engine`: set the engine up and say which it is. The Makefile calls it."""

from __future__ import annotations

import sys

from lab.engine.errors import EngineError
from lab.engine.setup import ensure


def main() -> int:
    """Progress goes to stderr, one line about the engine to stdout. Exits 0, 3 if it could not be set up."""
    try:
        engine = ensure(lambda line: print(f"engine: {line}", file=sys.stderr, flush=True))  # noqa: T201 its purpose
    except EngineError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    except KeyboardInterrupt:
        return 130
    origin = {"path": "found on PATH", "installer": "installed by the vendor's installer", "go": "built with Go"}
    sys.stdout.write(f"Pulumi {engine.version} ({origin[engine.source]}): {engine.cli}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
