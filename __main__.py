"""What the engine runs: settings -> environment -> components -> outputs.

It stands beside Pulumi.yaml and not in `infra`: the engine starts plugins in the program's folder.
"""

import gc

# What is loaded stays until the end, seconds later: to look through it for garbage takes a fifth of the loading's CPU.
gc.disable()

from pathlib import Path

import pulumi
from pulumi.runtime import get_config_env, get_config_secret_keys_env, get_root_directory

from infra.deciding import load_environment
from infra.errors import ConfigError
from infra.program import create

try:
    environment = load_environment(
        pulumi.get_stack(),
        Path(get_root_directory() or "."),
        get_config_env(),
        frozenset(get_config_secret_keys_env()),
    )
except ConfigError as error:
    # A RunError is shown as it is, without the traceback that any other exception gets.
    raise pulumi.RunError(str(error)) from None

for name, value in create(environment).items():
    pulumi.export(name, value)
