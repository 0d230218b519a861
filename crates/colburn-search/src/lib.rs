//! Search by MaxSim: exact, over embeddings in memory or in a persistent index, and reranking of given candidates.
//!
//! [`ExactSearch`] keeps the best documents of each query while documents are shown to it tile by tile, so that a corpus needs no more
//! memory than one tile. [`rerank`] orders candidates. Both give PyLate's scores. An [`Index`] keeps a corpus on disk and is searched in
//! the same way; behind the feature `plaid`, `PlaidIndex` is the approximate one.

mod device;
mod error;
mod exact;
mod host;
mod index;
mod packed;
#[cfg(feature = "plaid")]
mod plaid;
mod products;
mod rerank;
mod scores;
#[cfg(test)]
mod testing;
mod top_k;

pub use error::{Error, Result};
pub use exact::{ExactSearch, search};
pub use index::{Added, Dtype, Index, IndexKind, IndexOptions, SearchOptions, quantize};
pub use packed::Packed;
#[cfg(feature = "plaid")]
pub use plaid::{PlaidIndex, PlaidOptions, PlaidSearchOptions, PlaidUpdate};
pub use rerank::{RerankResult, rerank};
pub use scores::{Floor, Scoring, scores};
pub use top_k::Hit;
