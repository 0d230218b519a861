//! A persistent index for approximate search: PLAID (Santhanam et al., 2022), by the crate next-plaid.
//!
//! next-plaid numbers documents by their place, renumbers them when some are deleted, and changes its files one by one. Here documents have
//! ids, and a change is made to a copy of the folder. `index.json` names the current folder; a change takes effect when that file is replaced.

mod engine;
mod files;
mod manifest;
mod persistent;
#[cfg(test)]
mod tests;
mod update;

pub use manifest::PlaidOptions;
pub use persistent::{PlaidIndex, PlaidSearchOptions};
pub use update::PlaidUpdate;
