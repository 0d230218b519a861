//! How far an evaluation is.

/// What an evaluator tells while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What it is at: `triplets`, `NanoSciFact`.
    pub what: &'a str,
    /// Texts, or rows of texts, that are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}
