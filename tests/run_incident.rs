//! `run` with sinks that want incidents: few messages, the right numbers in them, and one story across restarts.
