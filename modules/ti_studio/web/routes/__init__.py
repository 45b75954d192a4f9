"""The studio's own REST routes, a module for each subject."""
