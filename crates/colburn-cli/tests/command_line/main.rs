//! The binary as its users meet it: run as a process, on a model and triplets small enough for seconds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bad_input;
mod bad_runs;
mod collections;
mod data;
mod encode;
mod evaluation;
mod formats;
#[cfg(feature = "hub")]
mod hub;
mod index;
#[cfg(unix)]
mod kill;
mod prompts;
mod rerank;
mod resume;
mod roles;
mod round_trip;
mod runs;
mod search;
#[cfg(feature = "hub")]
#[path = "../../../../tests/hub/server/mod.rs"]
mod server;
mod situations;
mod streaming;
mod workspace;
