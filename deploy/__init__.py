"""The image that runs the pipeline, and where it runs."""
