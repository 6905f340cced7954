"""What benchmarks share: generated interactions, MovieLens-1M, real data by name, a process and its memory.

All other packages of `benchmarks` import it; it imports models, and none of them. Begin with `measurement.py` (a result
as it is kept), then `interactions.py`.
"""
