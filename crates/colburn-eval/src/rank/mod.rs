//! Rank metrics: how good an order of documents is, given which of them are relevant.
//!
//! [`Ranked`] is the ranking of one query, seen as grades of relevance; its methods are the metrics, at any cut or without one.
//! [`order`] makes a ranking of scores, with a stated rule for ties.

mod order;
mod ranked;

pub use order::order;
pub use ranked::{Gain, Ranked, at_level};
