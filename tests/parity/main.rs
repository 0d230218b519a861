//! The same numbers as PyLate, by fixtures that PyLate made (`tests/fixtures`, written by `xtask/fixtures/make_fixtures.py`).
//!
//! The suite runs on any device: `BURN_DEVICE=ndarray cargo test --release -p colburn --features ndarray --test parity`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a test fails by panicking and may print, in its helpers too")]

mod contrastive;
mod distillation;
mod embeddings;
mod encoders;
mod gradients;
mod heads;
mod kd_evaluation;
mod minilm;
mod modernbert;
mod pooling;
mod rank;
mod rerank;
mod reranking;
mod retrieval;
mod saving;
mod support;
mod tokenizers;
mod tokens;
mod training;
mod triplets;
