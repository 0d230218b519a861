//! The number of query tokens that found something in a document, by which a score is divided.

/// It counts as this at least.
pub(super) const LEAST_FOUND: f32 = 1e-3;
