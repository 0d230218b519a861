//! The precision of the large products, and the devices that have it.

#[cfg(feature = "cube")]
use burn::tensor::DType;
use burn::tensor::{Device, FloatDType};
#[cfg(feature = "cube")]
use burn_cubecl::CubeDevice;
#[cfg(feature = "cube")]
use cubecl::ir::{ElemType, FloatKind};

#[cfg(feature = "flex")]
use crate::cpu::bf16;
use crate::device::{Backend, backend, name};
use crate::error::{Error, Result};

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
    /// The same with f16: 11 significant bits, and no number above 65,504. Larger ones are infinite, and gradients below 6e-8 are 0, so that a
    /// loss has to be scaled for training.
    F16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::Bf16, Self::F16];

    /// Its name: `f32`, `tf32`, `bf16` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Checks that the device has this precision. One that has not computes in another or not at all, which a user should know before long work.
    ///
    /// f16 is refused on CPUs, where it would be slower than f32; the products themselves are right there.
    ///
    /// # Errors
    /// [`Error::Precision`], which names those that the device has.
    pub fn check(self, device: &Device) -> Result<()> {
        if self.is_on(device) {
            return Ok(());
        }
        let available: Vec<&str> = Self::ALL.into_iter().filter(|other| other.is_on(device)).map(Self::name).collect();
        Err(Error::Precision { precision: self.name(), device: name(device), available: available.join(", ") })
    }

    /// True if the device has this precision.
    pub fn is_on(self, device: &Device) -> bool {
        match (self, backend(device)) {
            (Self::F32, _) | (Self::Bf16, Backend::Flex) => true,
            (_, Backend::Flex | Backend::NdArray) => false,
            #[cfg(feature = "cube")]
            (_, Backend::Wgpu | Backend::Cuda) => self.is_on_cube(&crate::cube::array::cube_device(device)),
            (Self::Tf32, _) => false,
            (Self::Bf16, _) => device.supports_dtype(FloatDType::BF16),
            (Self::F16, _) => device.supports_dtype(FloatDType::F16),
        }
    }

    /// True if this precision is known to be the fastest on the device, or level with the fastest. That is f32, unless the device is flex on
    /// a processor with AVX512-BF16, whose products of bf16 take about half the time.
    pub fn is_fastest_on(self, device: &Device) -> bool {
        let native = is_native_on(device);
        match self {
            Self::F32 | Self::Tf32 => !native,
            Self::Bf16 => native,
            Self::F16 => false,
        }
    }

    /// The type of factors on a device. WebGPU has no bf16, and f16 only on some; there all is f32.
    #[cfg(feature = "cube")]
    pub(crate) fn element(self, device: &CubeDevice) -> DType {
        match self {
            Self::Bf16 if device.runtime() != cubecl::device::RuntimeId::Wgpu => DType::BF16,
            Self::F16 if self.is_on_cube(device) => DType::F16,
            _ => DType::F32,
        }
    }

    #[cfg(feature = "cube")]
    fn is_on_cube(self, device: &CubeDevice) -> bool {
        let has = |kind: FloatKind| device.client().properties().supports_type(ElemType::Float(kind));
        match self {
            Self::F32 => true,
            // CubeCL lists TF32 from Ampere on, which is the first to have bf16, too. It lists bf16 for all of CUDA.
            Self::Tf32 | Self::Bf16 => device.runtime() == cubecl::device::RuntimeId::Cuda && has(FloatKind::TF32),
            Self::F16 => has(FloatKind::F16),
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

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;

    #[test]
    fn a_device_names_what_it_has() {
        let device = Device::flex();
        for precision in [Precision::F32, Precision::Bf16] {
            for device in [device.clone(), device.clone().autodiff()] {
                precision.check(&device).unwrap();
            }
        }
        let refused = |precision: Precision| precision.check(&device).unwrap_err().to_string();
        assert_eq!(refused(Precision::F16), "the device flex does not compute in f16; it has f32, bf16");
        assert_eq!(refused(Precision::Tf32), "the device flex does not compute in tf32; it has f32, bf16");
    }

    #[cfg(feature = "cube")]
    #[test]
    fn a_device_of_cube_computes_in_what_it_has() {
        use crate::cube::{array::cube_device, testing::device};

        let device = device();
        for precision in Precision::ALL {
            let wide = precision.element(&cube_device(&device)) == DType::F32;
            let narrow = matches!(precision, Precision::Bf16 | Precision::F16);
            assert_eq!(wide, !(narrow && precision.is_on(&device)), "{precision:?}");
        }
        let webgpu = name(&device) == "wgpu";
        assert_eq!(Precision::Bf16.check(&device).is_err(), webgpu);
    }
}
