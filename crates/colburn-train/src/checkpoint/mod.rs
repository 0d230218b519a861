//! Checkpoints: the folders `checkpoint-N`, their manifest with checksums and the version of the format, and the files in them.

pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod manifest;
