//! The binary as its users meet it: run as a process, on a model and triplets small enough for seconds.

mod bad_input;
mod round_trip;
mod workspace;
