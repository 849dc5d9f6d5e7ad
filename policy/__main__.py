"""What the engine runs: the policy pack in this folder."""

from policy.pack import main

main()
