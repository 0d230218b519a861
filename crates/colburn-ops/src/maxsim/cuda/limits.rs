//! The texts and devices that the kernels on tensor cores take.

use burn_cubecl::CubeDevice;
use cubecl::device::RuntimeId;

use super::factors::WIDEST;
use super::rows::{GROUP, MOST_DOCUMENTS};
use crate::cube::array::cube_device;
use crate::cube::cuda::{capability, nvrtc};
use crate::embeddings::Embeddings;

/// The first compute capability, times ten, that has the instructions, and as much shared memory as the kernels need.
const AMPERE: u32 = 80;

/// The longest document: a place in it, and one mark, have 16 bits.
pub(super) const LONGEST: usize = 65_528;

/// True if the kernels take these texts, as documents if none is longer than [`LONGEST`].
pub(super) fn takes(texts: &Embeddings) -> bool {
    texts.dim() <= WIDEST
        && texts.len() < MOST_DOCUMENTS
        && texts.spans.tokens() + GROUP * texts.len() < i32::MAX as usize
        && runs_on(&cube_device(&texts.values.device()))
}

/// True if the kernels run on the device.
fn runs_on(device: &CubeDevice) -> bool {
    device.runtime() == RuntimeId::Cuda && capability(device).is_some_and(|it| it >= AMPERE) && nvrtc::is_present()
}
