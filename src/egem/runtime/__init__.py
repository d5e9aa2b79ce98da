"""How work runs: fixed shapes, threads, executors, progress, compilation, native code, files."""
