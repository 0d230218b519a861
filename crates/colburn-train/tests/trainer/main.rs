//! The trainer on a tiny model and real triplets: what runs log, and what they leave behind.
#![cfg(feature = "flex")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod caching;
mod callbacks;
mod card;
mod common;
mod dropout;
mod evaluators;
mod logs;
mod nets;
mod ranks;
mod resume;
mod runs;
mod scaling;
mod several;
