//! CUDA beside CubeCL: work on its own stream and buffers, and kernels in CUDA C++. [`stream`] is the only module that knows the inside of
//! CubeCL's CUDA server.

mod compiled;
pub(crate) mod masks;
pub(crate) mod nvrtc;
mod stream;
pub(crate) mod task;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::DType;
use burn_cubecl::{CubeDevice, tensor::CubeTensor};

pub(crate) use self::stream::OnStream;

/// The text of a source of kernels, behind the functions that sources share.
macro_rules! with_common {
    ($file:literal) => {
        concat!(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cube/cuda/common.cu")), include_str!($file))
    };
}

pub(crate) use with_common;

/// True if kernels behind the common functions take the array: it holds f32, bf16 or f16, and begins at a multiple of 16 bytes.
pub(crate) fn takes(array: &CubeTensor) -> bool {
    let aligned = array.handle.offset_start.is_none_or(|first| first.is_multiple_of(16));
    matches!(array.dtype, DType::F32 | DType::BF16 | DType::F16) && aligned
}

/// The compute capability of a device of CUDA, times ten: 90 is Hopper. CubeCL has it in the name of what it compiles for.
pub(crate) fn capability(device: &CubeDevice) -> Option<u32> {
    device.client().properties().identity.fingerprint.strip_prefix("ptx_sm")?.parse().ok()
}

/// The define of the common functions for arrays of this type, one that [`takes`] lets pass.
pub(crate) fn low(dtype: DType) -> (&'static str, u32) {
    let number = match dtype {
        DType::BF16 => 1,
        DType::F16 => 2,
        _ => 0,
    };
    ("LOW", number)
}

/// Number of elements in 16 bytes.
pub(crate) fn vector(array: &CubeTensor) -> usize {
    16 / array.dtype.size()
}
