//! Search by MaxSim: exact search over embeddings in memory or in a persistent index, and reranking of given candidates.
//!
//! [`ExactSearch`] keeps the best documents of each query while documents are added tile by tile, so a corpus needs the memory of one tile.
//! [`rerank`] orders candidates, [`DeviceRerank`] those whose documents are on a device. All return PyLate's scores. An [`Index`] is a corpus on disk with exact search; behind the feature `plaid`,
//! `PlaidIndex` is one with approximate search.
//!
//! Scores are finite or an error: a NaN or infinity among the embeddings of queries or documents never becomes a result.

mod device_rerank;
mod error;
mod exact;
mod index;
mod packed;
#[cfg(feature = "plaid")]
mod plaid;
mod rerank;
#[cfg(test)]
mod testing;

pub use device_rerank::DeviceRerank;
pub use error::{Error, Result};
pub use exact::{ExactSearch, Floor, Hit, Scoring, scores, search};
pub use index::{Added, Dtype, Index, IndexKind, IndexOptions, SearchOptions, quantize};
pub use packed::Packed;
#[cfg(feature = "plaid")]
pub use plaid::{PlaidIndex, PlaidOptions, PlaidSearchOptions, PlaidUpdate};
pub use rerank::{RerankResult, rerank};
