"""How long one street scene of 256 x 512 takes: median and 90th percentile over 50 seeds, on one core.

Run: OMP_NUM_THREADS=1 python benchmarks/scene_speed.py
"""

import time

import numpy as np

from crn_hub.scenes import street_scene

street_scene(0)  # the first call also loads Pillow's codecs
times = []
for seed in range(50):
    start = time.perf_counter()
    street_scene(seed)
    times.append(1000 * (time.perf_counter() - start))
print(f"street_scene, 256 x 512: median {np.median(times):.1f} ms, 90th percentile {np.percentile(times, 90):.1f} ms")
