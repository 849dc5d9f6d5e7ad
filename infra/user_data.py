"""What an instance reads when it starts: a cloud-config file that writes environment.json.

User data can be read by whoever may describe instances, so nothing secret is in it: the certificate is given by ARN and
fetched by the instance's own role.
"""

import base64
import json
from collections.abc import Mapping

CONFIGURATION_PATH = "/etc/eps-dos-api/environment.json"


def encoded(configuration: Mapping[str, str]) -> str:
    """Return `configuration` as base64 user data; the same bytes for the same configuration, whatever its order.

    A different byte is a new launch template version, and that is a rollout.
    """
    content = json.dumps(dict(configuration), sort_keys=True, indent=2)
    cloud_config = {"write_files": [{"path": CONFIGURATION_PATH, "permissions": "0644", "content": content}]}
    # JSON is YAML, and needs no rules for quoting.
    return base64.b64encode(f"#cloud-config\n{json.dumps(cloud_config)}\n".encode()).decode()
