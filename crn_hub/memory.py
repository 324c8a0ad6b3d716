"""How a process gets its memory."""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8  # of glibc's <malloc.h>
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Lets the C library keep what is freed, for the next features of the same size.

    By default glibc gives large blocks back to the system at once, which then has to fill new ones with zeros, page by
    page. That takes up to 42 % of a photograph's time, and saves up to a third of the memory
    (benchmarks/allocator.py). This is for a whole process, so the commands and the demo do it, and `import crn_hub`
    doesn't. With other C libraries nothing happens.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 1)  # in arenas of their own, threads have no room for blocks of this size
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST)
