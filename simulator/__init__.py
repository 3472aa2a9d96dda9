"""A Northflank for tests, demo and benchmarks: its lists of restores over real HTTP."""

from simulator.behaviour import Behaviour
from simulator.faults import Fault
from simulator.request_log import Request
from simulator.serving import Server, serve
from simulator.world import World

__all__ = ["Behaviour", "Fault", "Request", "Server", "World", "serve"]
