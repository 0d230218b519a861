//! Search by MaxSim: exact, over embeddings in memory or in a persistent index, and reranking of given candidates.
//!
//! [`ExactSearch`] keeps the best documents of each query while documents are shown to it tile by tile, so that a corpus needs no more
//! memory than one tile. [`rerank`] orders candidates. Both give PyLate's scores.

mod device;
mod error;
mod exact;
mod host;
mod packed;
mod products;
mod rerank;
mod scores;
#[cfg(test)]
mod testing;
mod top_k;

pub use error::{Error, Result};
pub use exact::{ExactSearch, search};
pub use packed::Packed;
pub use rerank::{RerankResult, rerank};
pub use scores::{Floor, Scoring, scores};
pub use top_k::Hit;
