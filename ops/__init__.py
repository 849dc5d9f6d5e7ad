"""The command `eps-dos`: what people and workflows do with environments, beside plain Pulumi."""
