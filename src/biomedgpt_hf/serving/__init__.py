"""The page and the server for people. This room is empty until they come."""
