"""What is published: the wheel, and plugin.yml for Meltano."""
