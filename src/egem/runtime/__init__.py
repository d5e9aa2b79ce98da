"""How computations run: batches, threads, executors, progress, compiled and native code, files."""
