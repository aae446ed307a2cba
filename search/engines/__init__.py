"""How many trials run on this machine: one by one, in lanes, in worker processes.

May import trial and the rooms below it. An engine is one file and its choice in choice.py; add or change one without
asking, if the tests of kills agree.
"""
