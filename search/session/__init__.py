"""A whole search: opened, spent, shared with other processes, finished.

May import every other room of search/.
"""
