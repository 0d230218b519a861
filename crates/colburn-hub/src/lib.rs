//! From a name on the Hugging Face hub to local files, and from local files to a repository on the hub.
//!
//! [`RepoId`] is a name, `org/name[@revision]`; [`Hub`] is the hub with its cache, which is the one that Hugging Face's own tools use:
//! what they have downloaded of a commit is found, and they find what is downloaded here of it. This crate is the only user of hf-hub.

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
mod snapshot;
mod upload;

pub use dataset::DatasetId;
pub use error::{Error, Result};
pub use hub::{Hub, RepoKind};
pub use repo_id::RepoId;
pub use upload::UploadOptions;
