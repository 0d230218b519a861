//! One test for each training argument, named after it: a short run that would come out otherwise if the argument were ignored. Those that
//! other tests show are listed in `docs/arguments.md`, with the others; and what an optimizer of one's own can count on.
#![cfg(feature = "flex")]

#[path = "../trainer/common.rs"]
mod common;
mod data;
mod evaluation;
mod length;
mod logging;
mod no_effect;
mod optimization;
mod optimizers;
mod probe;
mod saving;
mod schedule;
