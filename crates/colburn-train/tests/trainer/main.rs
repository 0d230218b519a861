//! The trainer on a tiny model and real triplets: whole runs against PyLate's, and what runs leave behind.
#![cfg(feature = "flex")]

mod common;
mod parity;
mod runs;
