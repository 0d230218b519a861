//! Downloads from the Hugging Face hub by name, and uploads to it.
//!
//! [`RepoId`] is a name, `org/name[@revision]`; [`Hub`] is the hub with its cache. The cache is that of Hugging Face's own tools: each finds
//! the files of a commit that the other has downloaded. This crate is the only user of hf-hub.

mod cache;
mod dataset;
mod download;
mod error;
mod failure;
mod hub;
mod listing;
mod model;
mod pattern;
mod repo_id;
mod settings;
mod upload;

pub use dataset::DatasetId;
pub use error::{Error, Result};
pub use hub::Hub;
pub use repo_id::{RepoId, RepoKind};
pub use upload::UploadOptions;
