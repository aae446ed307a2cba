"""How many trials run on this machine: one by one, in lanes, in worker processes.

May import trial and the rooms below it.
"""
