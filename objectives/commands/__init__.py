"""Any command as a training job: started once a trial, told its schedule, listened to, ended with all that it started.

May import the rest of objectives/; nothing of it imports this, but for `anywhere`, which a script calls.
"""
