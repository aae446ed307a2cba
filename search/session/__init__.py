"""A whole search: opened, spent, shared with other processes, finished.

May import every other room of search/. The order of its steps may change without asking, if the tests of kills and of
shared searches agree.
"""
