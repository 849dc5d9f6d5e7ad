"""What the engine runs: the policy pack in this folder."""

import gc

# As in the program: a pack lives for one operation.
gc.disable()

from policy.pack import main

main()
