//! The writers of file formats.

pub(crate) mod embeddings;
pub(crate) mod parquet;
