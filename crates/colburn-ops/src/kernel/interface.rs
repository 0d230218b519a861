//! The interface between a kernel, a backend and Burn's graph.

use std::fmt::Debug;

use burn::backend::{Backend, tensor::FloatTensor};

/// A backend that has kernels.
pub(crate) trait KernelBackend: Backend {
    /// A tensor in the form in which kernels of this backend take it.
    type Array: Clone + Debug + Send + 'static;

    /// The tensor as kernels take it. It is copied where its numbers do not lie as kernels need them.
    fn to_array(tensor: FloatTensor<Self>) -> Self::Array;

    /// The tensor of an array.
    fn to_tensor(array: Self::Array) -> FloatTensor<Self>;
}

/// A function of `N` tensors on one backend, with a gradient written by hand.
pub(crate) trait Kernel<B: KernelBackend, const N: usize>: Clone + Debug + Send + Sync + 'static {
    /// The state that the gradient needs of the forward pass: a few numbers a row, or clones of inputs and output, which share memory.
    type Saved: Clone + Debug + Send + 'static;

    /// The value, and the state that the gradient needs.
    fn forward(&self, inputs: [B::Array; N]) -> (B::Array, Self::Saved);

    /// The value alone, where no gradient will be asked for.
    fn value(&self, inputs: [B::Array; N]) -> B::Array {
        self.forward(inputs).0
    }

    /// The gradient by each input that is wanted, in the shape of the input, from the gradient by the value.
    fn backward(&self, saved: Self::Saved, gradient: B::Array, wanted: [bool; N]) -> [Option<B::Array>; N];
}

/// The gradients that are wanted.
#[cfg(feature = "cube")]
pub(crate) fn only<T, const N: usize>(wanted: [bool; N], gradients: [Option<T>; N]) -> [Option<T>; N] {
    let mut wanted = wanted.into_iter();
    gradients.map(|gradient| {
        let wanted = wanted.next() == Some(true);
        gradient.filter(|_| wanted)
    })
}
