//! The progress of an evaluation.

/// The progress of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The part that is evaluated: `triplets`, `NanoSciFact`.
    pub what: &'a str,
    /// The number of texts, or rows of texts, that are done.
    pub done: usize,
    /// The number of all texts or rows.
    pub total: usize,
}
