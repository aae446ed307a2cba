"""What to try next and what to stop: Optuna samplers and pruners that work in any script.

May import notes alone. Change it if benchmarks/search_quality.py finds no worse schedules; the names of Optuna's
parameters must stay.
"""
