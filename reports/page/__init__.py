"""The HTML report: facts and figures in one file that works offline.

May import facts and figures. Its look may change without asking, if it stays one file that loads nothing.
"""
