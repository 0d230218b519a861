//! The best documents of a query. Ties are broken by the document's number: the smaller one is better.

/// A document that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub document: usize,
    /// Its MaxSim score.
    pub score: f32,
}
