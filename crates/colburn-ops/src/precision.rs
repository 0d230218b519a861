//! How exactly the large products are computed.

use burn::tensor::Device;

/// The numbers that matrix products of linear layers are computed with. Weights, activations, norms, softmax and losses are f32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32.
    #[default]
    F32,
    /// Both factors are rounded to bf16, the nearest with 8 significant bits; sums are taken in f32. As PyTorch's autocast, but that
    /// results stay f32.
    Bf16,
}

impl Precision {
    /// Whether this is known to be the fastest way, or level with it: f32 is, unless the device is flex on a processor with AVX512-BF16,
    /// whose products of bf16 take about half the time.
    pub fn is_fastest_on(self, device: &Device) -> bool {
        let native = is_native_on(device);
        match self {
            Self::F32 => !native,
            Self::Bf16 => native,
        }
    }
}

#[cfg(feature = "flex")]
fn is_native_on(device: &Device) -> bool {
    crate::device::name(device) == "flex" && crate::fused::multiplies_bf16()
}

#[cfg(not(feature = "flex"))]
fn is_native_on(_: &Device) -> bool {
    false
}
