//! The trainer on a tiny model and real triplets: what runs log, and what they leave behind.
#![cfg(feature = "flex")]

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
mod several;
