//! The precision of the large products.

#[cfg(feature = "cube")]
use burn::tensor::DType;
use burn::tensor::Device;
#[cfg(feature = "cube")]
use burn_cubecl::CubeDevice;

#[cfg(feature = "flex")]
use crate::cpu::bf16;
#[cfg(feature = "flex")]
use crate::device::{Backend, backend};

/// The precision of the matrix products of linear layers, and of MaxSim where tensor cores compute it
/// ([`Embeddings::precision`](crate::Embeddings::precision)). Weights, activations, norms, softmax and losses are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// Factors keep their range and 10 bits of their fraction, and sums are f32: `tf32` of PyTorch. Only NVIDIA's GPUs from Ampere on have it;
    /// elsewhere it is f32.
    Tf32,
    /// Both factors are rounded to bf16, the nearest with 8 significant bits, and sums are taken in f32: PyTorch's autocast, except that
    /// results stay f32.
    Bf16,
}

impl Precision {
    /// True if this precision is known to be the fastest on the device, or level with the fastest. That is f32, unless the device is flex on
    /// a processor with AVX512-BF16, whose products of bf16 take about half the time.
    pub fn is_fastest_on(self, device: &Device) -> bool {
        let native = is_native_on(device);
        match self {
            Self::F32 | Self::Tf32 => !native,
            Self::Bf16 => native,
        }
    }

    /// The type of factors on a device. WebGPU has no bf16; there all is f32.
    #[cfg(feature = "cube")]
    pub(crate) fn element(self, device: &CubeDevice) -> DType {
        match self {
            Self::Bf16 if device.runtime() != cubecl::device::RuntimeId::Wgpu => DType::BF16,
            _ => DType::F32,
        }
    }
}

#[cfg(feature = "flex")]
fn is_native_on(device: &Device) -> bool {
    backend(device) == Backend::Flex && bf16::is_native()
}

#[cfg(not(feature = "flex"))]
fn is_native_on(_: &Device) -> bool {
    false
}
