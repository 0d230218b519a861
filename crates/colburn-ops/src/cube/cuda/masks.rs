//! The masks of dropout as arguments of kernels in CUDA C++.

use super::task::{Argument, Task};
use crate::cube::masks::RowMasks;

/// The arguments behind `Masks` of the common functions, in order.
pub(crate) fn arguments(task: &mut Task, masks: Option<&RowMasks>) -> [Argument; 6] {
    let arrays = masks.map(|(masks, texts)| [&texts.of_row, &texts.offsets, &*masks.seeds]);
    let [of_row, offsets, seeds] = [0, 1, 2].map(|number| task.optional(arrays.map(|arrays| arrays[number])));
    let (site, threshold, scale) = masks.map_or((0, 0, 1.0), |(masks, _)| (masks.site, masks.threshold, masks.scale));
    [of_row, offsets, seeds, Argument::U32(site), Argument::U32(threshold), Argument::F32(scale)]
}
