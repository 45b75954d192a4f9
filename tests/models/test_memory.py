"""What models need no more is the system's again."""

import subprocess
import sys
import textwrap

import pytest

GIVEN_BACK = textwrap.dedent("""
    import gc
    from pathlib import Path

    import torch

    from ti_studio.models.memory import give_large_blocks_back

    def mebibytes() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024

    give_large_blocks_back()
    torch.ones(2**22)  # at 16 MiB, glibc would raise its threshold when it is freed
    blocks, between = [], []
    for _ in range(40):
        blocks.append(torch.ones(2**21))  # 8 MiB
        between.append(torch.ones(2**10))  # keeps the heap from shrinking
    before = mebibytes()
    del blocks
    gc.collect()
    print(before - mebibytes())
""")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' C libraries are left alone")
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    done = subprocess.run([sys.executable, "-c", GIVEN_BACK], check=True, capture_output=True, text=True)

    assert int(done.stdout) > 300
