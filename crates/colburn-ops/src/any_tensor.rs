//! Tensors of different rank in one list.

use std::fmt::{self, Debug, Formatter};

use burn::backend::{DispatchTensor, TensorMetadata};
use burn::tensor::{DType, Tensor};

#[cfg(any(feature = "flex", feature = "cube"))]
use crate::device::{Backend, of_dispatch};

/// A tensor off the graph whose number of dimensions is not in its type, so that parameters of all shapes can be in one list.
#[derive(Clone)]
pub struct AnyTensor(DispatchTensor);

impl AnyTensor {
    /// The tensor off the graph. It shares the memory.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        Self(tensor.inner().into_dispatch())
    }

    /// The tensor, off the graph. `D` is the number of dimensions that it was made with.
    pub fn into_tensor<const D: usize>(self) -> Tensor<D> {
        Tensor::from_dispatch(self.0)
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.rank()
    }

    /// The backend of its device.
    #[cfg(any(feature = "flex", feature = "cube"))]
    pub(crate) fn backend(&self) -> Backend {
        of_dispatch(&self.0.device())
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.0.dtype()
    }
}

impl Debug for AnyTensor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "AnyTensor({:?}, {:?})", self.0.shape(), self.0.dtype())
    }
}
