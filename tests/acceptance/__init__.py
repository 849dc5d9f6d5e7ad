"""An environment's whole life, by the commands that people type, in the lab and in a sandbox account of AWS alike."""
