//! The results of a backward pass beside the gradient.

/// The results that are there if they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Extras {
    /// The function once more.
    pub value: bool,
    /// The sums of the gradient's columns, in f32.
    pub sums: bool,
}
