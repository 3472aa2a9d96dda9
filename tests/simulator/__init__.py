"""Tests of the simulator itself, through `requests`."""
