"""What benchmarks share: generated interactions, MovieLens-1M, real data by name, a process and its memory."""
