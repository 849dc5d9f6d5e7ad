"""What a language host runs: `python FOLDER ENGINE_ADDRESS`."""

import sys
from pathlib import Path

# Python looks beside this file; the package is in the folder above, wherever the project was copied to.
sys.path[0] = str(Path(__file__).parents[1])

from rollout.server import serve

if __name__ == "__main__":
    serve()
