//! The choice between the implementations of an operation.
//!
//! Every operation has a composed form, made of Burn's operations, which runs on any backend; it is the twin that tests hold the kernels to.
//! On some backends an operation also has a kernel. Each operation's `mod.rs` asks [`Implementation::of`] once and matches on the answer.

#[cfg(any(feature = "flex", feature = "cube"))]
use burn::tensor::DType;
use burn::tensor::Tensor;

use crate::any_tensor::AnyTensor;
#[cfg(any(feature = "flex", feature = "cube"))]
use crate::{
    device::{Backend, backend},
    kernel::switch,
};

/// An implementation of the operations of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    /// The kernels of the CPU backend flex.
    #[cfg(feature = "flex")]
    Flex,
    /// The kernels of the CubeCL backends: cuda and wgpu.
    #[cfg(feature = "cube")]
    Cube,
    /// Burn's operations.
    Composed,
}

impl Implementation {
    /// The implementation for a tensor: kernels if its backend has them, it holds f32, and they are not [switched off](crate::kernels).
    #[cfg(any(feature = "flex", feature = "cube"))]
    pub fn of<const D: usize>(tensor: &Tensor<D>) -> Self {
        Self::on(tensor.dtype(), || backend(&tensor.device()))
    }

    /// The implementation for tensors of this type on this backend.
    #[cfg(any(feature = "flex", feature = "cube"))]
    fn on(dtype: DType, backend: impl FnOnce() -> Backend) -> Self {
        if !switch::enabled() || dtype != DType::F32 {
            return Self::Composed;
        }
        match backend() {
            #[cfg(feature = "flex")]
            Backend::Flex => Self::Flex,
            #[cfg(feature = "cube")]
            Backend::Wgpu | Backend::Cuda => Self::Cube,
            _ => Self::Composed,
        }
    }

    /// The implementation for a tensor. This build has no kernels.
    #[cfg(not(any(feature = "flex", feature = "cube")))]
    pub fn of<const D: usize>(_: &Tensor<D>) -> Self {
        Self::Composed
    }

    /// The implementation for several tensors: the composed one unless all agree on another.
    pub fn of_all<const D: usize, const N: usize>(tensors: [&Tensor<D>; N]) -> Self {
        Self::common(tensors.into_iter().map(Self::of))
    }

    /// As [`Implementation::of_all`], for tensors of any shapes.
    #[cfg(any(feature = "flex", feature = "cube"))]
    pub fn of_list<'a>(tensors: impl IntoIterator<Item = &'a AnyTensor>) -> Self {
        Self::common(tensors.into_iter().map(|tensor| Self::on(tensor.dtype(), || tensor.backend())))
    }

    /// As [`Implementation::of_all`], for tensors of any shapes. This build has no kernels.
    #[cfg(not(any(feature = "flex", feature = "cube")))]
    pub fn of_list<'a>(_: impl IntoIterator<Item = &'a AnyTensor>) -> Self {
        Self::Composed
    }

    fn common(mut all: impl Iterator<Item = Self>) -> Self {
        let first = all.next().unwrap_or(Self::Composed);
        if all.all(|other| other == first) { first } else { Self::Composed }
    }
}
