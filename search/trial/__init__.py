"""One trial: asked for, run epoch by epoch, ended with one outcome.

May import budget, storage, results and sampling.
"""
