"""How long the fuzzing goes on.

In the suite it is short and the same every time. `TI_STUDIO_FUZZ_EXAMPLES=20000 pytest tests/fuzz` goes on for many
minutes, with other bytes each time; what it finds is told with the bytes, and belongs into a test of its own.
"""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("TI_STUDIO_FUZZ_EXAMPLES")

settings.register_profile(
    "fuzz",
    max_examples=int(EXAMPLES or 40),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
