"""AWS on this machine: moto's server, with what it lacks of AWS's behaviour added, in one process on loopback.

Fidelity lives here, at the level of AWS's API, so that the provider's stand-in, boto3 and the tests see one truth.
"""
