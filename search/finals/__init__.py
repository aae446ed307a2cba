"""The finalists: judged on fresh seeds, and followed to longer trainings.

May import the rooms below: engines to sampling.
"""
