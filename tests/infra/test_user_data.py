"""What an instance is told when it starts."""

import base64
import json

import yaml

from infra.user_data import encoded


def test_cloud_init_would_write_the_configuration_as_json() -> None:
    text = base64.b64decode(encoded({"release": "1.4.0", "environment": "int"})).decode()
    assert text.startswith("#cloud-config\n")
    (file,) = yaml.safe_load(text)["write_files"]
    assert file["path"] == "/etc/eps-dos-api/environment.json"
    assert json.loads(file["content"]) == {"environment": "int", "release": "1.4.0"}


def test_the_order_of_settings_rolls_no_instance() -> None:
    assert encoded({"a": "1", "b": "2"}) == encoded({"b": "2", "a": "1"})


def test_another_release_is_another_launch_template() -> None:
    assert encoded({"release": "1.4.0"}) != encoded({"release": "1.5.0"})
