"""Touch the world: record and replay container workloads with eBPF; needs root on Linux."""
