//! The data of a run: datasets with their losses, the positions of the run in them, and the batches, which a thread prepares ahead of their use.

pub(crate) mod datasets;
pub(crate) mod loader;
pub(crate) mod plan;
