//! The trainer on a tiny model and real triplets: what runs log, and what they leave behind.
#![cfg(feature = "flex")]

mod common;
mod logs;
mod runs;
