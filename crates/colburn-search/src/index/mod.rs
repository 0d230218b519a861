//! A persistent index for exact search: all token vectors of a corpus on disk, mapped into memory, searched tile by tile.
//!
//! An index is a folder with `index.json` and segments that never change. Adding writes a new segment; removing writes a number into
//! `index.json`. Both take effect when that file is replaced, so an interrupted change leaves the index as it was.

mod compact;
mod dtype;
mod ids;
pub(crate) mod lock;
pub(crate) mod manifest;
mod persistent;
mod search;
mod segment;
#[cfg(test)]
mod tests;
mod write;

pub use dtype::{Dtype, quantize};
pub use manifest::{IndexKind, IndexOptions};
pub use persistent::Index;
pub use search::SearchOptions;
pub use write::Added;
#[cfg(feature = "plaid")]
pub(crate) use {persistent::refuse_unknown, search::check_queries, write::check as check_documents};
