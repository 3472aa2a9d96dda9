"""The simulator held to the official client."""
