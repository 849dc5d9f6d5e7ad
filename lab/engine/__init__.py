"""The Pulumi engine on this machine: its CLI, set up where it is missing, and a language host for Python.

Knows Pulumi's protocol and Go's tool; nothing of AWS, of the lab's emulator or of environments.
"""
