"""The parts of `verdict_noise.py`: noises that losses may have, and ways to test a difference."""
