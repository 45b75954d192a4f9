"""The parts of the HTTP server that routes and pages share."""
