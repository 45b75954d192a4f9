"""What can be wrong with sd-scripts' options and files."""

from ti_studio.errors import StudioError


class BadConfiguration(StudioError):
    """A dataset configuration or an option that can't be followed; says where and what was expected."""
