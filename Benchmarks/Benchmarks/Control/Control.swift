let benchmarks = {}
