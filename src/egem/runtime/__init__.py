"""How work runs: fixed shapes, threads, executors, progress, compiled programs, native code, files."""
