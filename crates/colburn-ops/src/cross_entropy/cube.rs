//! Cross-entropy on CubeCL: a cube for each row. The backward pass computes the softmax again from the logarithm of its sum.

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};
use cubecl::prelude::*;
use cubecl::{CubeCount, CubeDim};

use crate::cube::array::{cube_device, empty, sizes, upload};
use crate::cube::launches::counted;
use crate::cube::reduce::{maximum, sum};
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// Units of a cube.
const UNITS: u32 = 256;

pub(super) fn cross_entropy(scores: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let labels = upload(&cube_device(&scores.device()), labels);
    apply_1(CrossEntropy { labels }, scores)
}

#[derive(Clone, Debug)]
struct CrossEntropy {
    labels: CubeTensor,
}

#[cube(launch)]
fn losses_kernel(scores: &[f32], labels: &[u32], losses: &mut [f32], log_sums: &mut [f32], columns: u32) {
    let mut shared = Shared::<[f32]>::new_slice(256usize);
    let row = CUBE_POS_X;
    let first = row * columns;
    let mut largest = f32::new(f32::MIN);
    let mut column = UNIT_POS;
    while column < columns {
        let score = scores[(first + column) as usize];
        largest = select(score > largest, score, largest);
        column += CUBE_DIM;
    }
    let largest = maximum(largest, &mut shared);
    let mut total = 0.0f32;
    let mut column = UNIT_POS;
    while column < columns {
        total += (scores[(first + column) as usize] - largest).exp();
        column += CUBE_DIM;
    }
    let total = sum(total, &mut shared);
    if UNIT_POS == 0 {
        let log_sum = largest + total.ln();
        log_sums[row as usize] = log_sum;
        losses[row as usize] = log_sum - scores[(first + labels[row as usize]) as usize];
    }
}

#[cube(launch)]
fn gradient_kernel(
    scores: &[f32],
    labels: &[u32],
    log_sums: &[f32],
    gradient: &[f32],
    by_scores: &mut [f32],
    columns: u32,
) {
    if ABSOLUTE_POS < by_scores.len() {
        let place = ABSOLUTE_POS as u32;
        let row = (place / columns) as usize;
        let right = select(place % columns == labels[row], 1.0f32, 0.0f32);
        by_scores[ABSOLUTE_POS] = gradient[row] * ((scores[ABSOLUTE_POS] - log_sums[row]).exp() - right);
    }
}

impl Kernel<CubeBackend, 1> for CrossEntropy {
    /// The scores and the logarithm of each row's sum.
    type Saved = [CubeTensor; 2];

    fn forward(&self, [scores]: [CubeTensor; 1]) -> (CubeTensor, Self::Saved) {
        let [rows, columns] = sizes(&scores);
        let (losses, log_sums) = (empty(&scores, [rows], DType::F32), empty(&scores, [rows], DType::F32));
        losses_kernel::launch(
            counted(&scores.client),
            CubeCount::Static(rows as u32, 1, 1),
            CubeDim::new_1d(UNITS),
            scores.clone().into_buffer_arg(),
            self.labels.clone().into_buffer_arg(),
            losses.clone().into_buffer_arg(),
            log_sums.clone().into_buffer_arg(),
            columns as u32,
        );
        (losses, [scores, log_sums])
    }

    fn backward(&self, [scores, log_sums]: Self::Saved, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        let [rows, columns] = sizes(&scores);
        let by_scores = empty(&scores, [rows, columns], DType::F32);
        gradient_kernel::launch(
            counted(&by_scores.client),
            CubeCount::Static((rows * columns).div_ceil(UNITS as usize) as u32, 1, 1),
            CubeDim::new_1d(UNITS),
            scores.into_buffer_arg(),
            self.labels.clone().into_buffer_arg(),
            log_sums.into_buffer_arg(),
            gradient.into_buffer_arg(),
            by_scores.clone().into_buffer_arg(),
            columns as u32,
        );
        [Some(by_scores)]
    }
}
