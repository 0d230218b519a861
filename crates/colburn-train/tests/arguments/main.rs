//! One test for each training argument, named after it: a short run that would come out otherwise if the argument were ignored. Those that
//! other tests show are listed in `docs/arguments.md`, with the others; and what an optimizer of one's own can count on.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod best;
#[path = "../trainer/common.rs"]
mod common;
mod data;
mod evaluation;
mod length;
mod logging;
mod memory;
mod no_effect;
mod optimization;
mod optimizers;
mod probe;
mod resume;
mod saving;
mod schedule;
