"""Tests of the image, and of the files by which it is run."""
