"""Many trials at once on one device: lanes of one batched model, each with its own schedule, epoch and seed.

What a lane computes is what the trial computes alone, but for rounding (and the masks of random layers).
"""

from __future__ import annotations

from .lane_choice import choose_graph, supports_lanes
from .lanes import Lanes
from .optim import LaneOptimizer
from .speed import crowd_speed, lane_speeds, part_of

__all__ = ["LaneOptimizer", "Lanes", "choose_graph", "crowd_speed", "lane_speeds", "part_of", "supports_lanes"]
