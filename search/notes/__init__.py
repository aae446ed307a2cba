"""What is stored in Optuna's attributes of studies and trials, written down once: names, types and defaults.

May import nothing of search/, and no Optuna. Change nothing here without asking: stored studies must stay readable. A
new note gets a default, which is what the studies stored before it mean.
"""
