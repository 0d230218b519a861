//! The interface between a kernel and Burn's graph.

use std::fmt::Debug;

use super::array::Array;

/// A function of `N` arrays with a gradient written by hand.
pub(crate) trait Kernel<const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// What the gradient needs of the forward pass: numbers per row, a mask; clones of inputs and output, which cost nothing.
    type Saved: Clone + Debug + Send + 'static;

    /// The value, and what its gradient will need.
    fn forward(&self, inputs: [Array; N]) -> (Array, Self::Saved);

    /// The value alone, where no gradient will be asked for.
    fn value(&self, inputs: [Array; N]) -> Array {
        self.forward(inputs).0
    }

    /// The gradient by each input that is wanted, in the shape of the input, from the gradient by the value.
    fn backward(&self, saved: Self::Saved, gradient: Array, wanted: [bool; N]) -> [Option<Array>; N];
}
