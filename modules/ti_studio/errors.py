"""The errors that a person may see. Each package derives its own; the web layer translates them in two places only."""


class StudioError(Exception):
    """An expected failure. Its message says what went wrong, where, what was found and what was expected."""

    status: int = 422
    """The HTTP status that the REST layer answers with."""


class NotFound(StudioError):
    """Something was asked for by a name or id that does not exist."""

    status = 404


class Conflict(StudioError):
    """The request is fine, but not in the present state: a name that is taken, a job that already runs."""

    status = 409
