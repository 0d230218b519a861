//! The result of a block in the type of factors, on its way to the next block: the norm writes it beside the result, and the next block's first
//! product takes it instead of a cast.

use std::sync::{Mutex, PoisonError};

use burn_cubecl::tensor::CubeTensor;

/// The last result that was given, until it is taken.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<Option<Given>>);

#[derive(Debug)]
struct Given {
    /// The result in f32. As long as it is here, no operation writes in its place.
    y: CubeTensor,
    low: CubeTensor,
}

/// The key of the handover of a batch.
#[derive(PartialEq)]
pub(super) struct HandoverKey;

/// The key of the handover of gradients, which the backward pass of a block gives to that of the block before.
#[derive(PartialEq)]
pub(super) struct GradientKey;

impl Handover {
    /// Gives a result in both types.
    pub fn give(&self, y: &CubeTensor, low: CubeTensor) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Given { y: y.clone(), low });
    }

    /// The array in the type of factors, if it is the result that was given last.
    pub fn take(&self, x: &CubeTensor) -> Option<CubeTensor> {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        same(&given.y, x).then_some(given.low)
    }
}

/// True if both are all of the same memory.
fn same(a: &CubeTensor, b: &CubeTensor) -> bool {
    let ids = [a, b].map(|array| array.handle.memory.descriptor().id);
    let places = [a, b].map(|array| (array.handle.offset_start.unwrap_or(0), array.handle.size_in_used()));
    ids[0] == ids[1] && places[0] == places[1] && a.meta.shape() == b.meta.shape() && a.dtype == b.dtype
}
