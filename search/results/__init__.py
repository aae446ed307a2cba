"""What a search leaves: immutable facts, and what follows from them.

Trains nothing and writes nothing.
"""
