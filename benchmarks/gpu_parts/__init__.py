"""The parts of `benchmarks/gpu.py`: what is checked, what is timed, and how it is shown."""
