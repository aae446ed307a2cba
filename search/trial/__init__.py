"""One trial: asked for, run epoch by epoch, ended with one outcome.

May import budget and the rooms below it. When a trial ends is said in docs/design.md: change both together.
"""
