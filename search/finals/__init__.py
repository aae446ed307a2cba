"""The finalists: judged on fresh seeds, and followed to longer trainings.

May import engines and the rooms below it. How runs are queued may change without asking; what is said of the winner may
not, unless benchmarks/verdict_noise.py and benchmarks/confirmation.py show that it stays true.
"""
