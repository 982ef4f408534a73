"""A demo: lively pipelines, simulated, that send what real ones would send, over the public interface only.

One way through: a pipeline's description (`pipelines/`) is started by the dispatcher, performed by an
execution in the simulation, and becomes events that the sender delivers. Nothing here imports the server.

Time: every event carries the wall-clock time at which it "happened", never one in the future. `--speed 60`
does not bend the clock; it makes everything that takes time (work, waits, schedules, samples) take a sixtieth
of it.
"""
