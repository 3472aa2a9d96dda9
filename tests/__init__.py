"""The tests: what users rely on, over real HTTP against the simulator."""
