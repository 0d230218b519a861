//! The scores: sums of the best products, divided by the number of query tokens that found something.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::CubeDim;
use cubecl::{calculate_cube_count_elemwise, prelude::*};

use super::select::{Best, is_nan};
use crate::cube::array::{empty, len, sizes};
use crate::cube::launches::counted;
use crate::maxsim::cube::plan::{FIRST, MAXIMA, Plan, RECORD};
use crate::xtr::found::LEAST_FOUND;

/// The scores, and the numbers that they were divided by, both `[queries, documents]`, or of a group.
pub(super) fn scores(plan: &Plan, best: &Best) -> [CubeTensor; 2] {
    let (scores, found) =
        (empty(&best.products, plan.shape, DType::F32), empty(&best.products, plan.shape, DType::F32));
    let (client, count) = (&scores.client, len(&scores));
    let cube = CubeDim::new(client, count);
    scores_kernel::launch(
        counted(client),
        calculate_cube_count_elemwise(client, count, cube),
        cube,
        best.products.clone().into_buffer_arg(),
        plan.lists.clone().into_buffer_arg(),
        scores.clone().into_buffer_arg(),
        found.clone().into_buffer_arg(),
        count as u32,
        plan.shape[1] as u32,
        plan.stride as u32,
        plan.at.offsets,
        plan.at.records,
    );
    [scores, found]
}

/// The gradient by the sums, from that by the scores.
pub(super) fn by_sums(gradient: &CubeTensor, found: &CubeTensor) -> CubeTensor {
    let out = empty(found, sizes::<2>(found), DType::F32);
    let (client, count) = (&out.client, len(&out));
    let cube = CubeDim::new(client, count);
    divide_kernel::launch(
        counted(client),
        calculate_cube_count_elemwise(client, count, cube),
        cube,
        gradient.clone().into_buffer_arg(),
        found.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
    );
    out
}

#[cube(launch)]
fn scores_kernel(
    high: &[f32],
    plan: &[u32],
    scores: &mut [f32],
    found: &mut [f32],
    count: u32,
    columns: u32,
    stride: u32,
    offsets_at: u32,
    records_at: u32,
) {
    if ABSOLUTE_POS < count as usize {
        let place = ABSOLUTE_POS as u32;
        let query = place / columns;
        let record = records_at + (place - query * stride) * RECORD;
        let start = plan[(offsets_at + query) as usize];
        let end = plan[(offsets_at + query + 1u32) as usize];
        let at = plan[(record + MAXIMA) as usize] - plan[(record + FIRST) as usize];
        let mut sum = 0.0f32;
        let mut number = 0.0f32;
        for token in start..end {
            let product = high[(at + token) as usize];
            sum += product;
            number += select(product > 0.0f32 || is_nan(product), 1.0f32, 0.0f32);
        }
        number = f32::max(number, comptime!(LEAST_FOUND).runtime());
        scores[ABSOLUTE_POS] = sum / number;
        found[ABSOLUTE_POS] = number;
    }
}

#[cube(launch)]
fn divide_kernel(gradient: &[f32], found: &[f32], out: &mut [f32]) {
    if ABSOLUTE_POS < out.len() {
        out[ABSOLUTE_POS] = gradient[ABSOLUTE_POS] / found[ABSOLUTE_POS];
    }
}
