"""A workspace's model and everything the page does with it; nothing here knows HTTP routes."""
