//! The kernels in CubeCL, one launch for each parameter.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use cubecl::{CubeDim, calculate_cube_count_elemwise};

use super::parameter::{Norm, Parameter};
use crate::cube::array::{empty, len};
use crate::cube::launches::counted;
use crate::cube::reduce::sum as cube_sum;

/// Units of a cube that sums.
const UNITS: usize = 256;

/// Numbers that a cube sums.
const CHUNK: usize = 8192;

/// The largest number of cubes in a dimension.
const MOST_CUBES: usize = 65_535;

/// The sum of squares of each chunk of `x`, into `sums` from `first` on.
#[cube(launch)]
fn squares_kernel(x: &[f32], sums: &mut [f32], first: u32, count: u32) {
    let start = (CUBE_POS as u32) * comptime!(CHUNK as u32);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    let mut at = start + UNIT_POS;
    let end = u32::min(start + comptime!(CHUNK as u32), count);
    while at < end {
        let value = x[at as usize];
        sum += value * value;
        at += comptime!(UNITS as u32);
    }
    let sum = cube_sum(sum, &mut shared);
    if UNIT_POS == 0u32 && start < count {
        sums[first as usize + CUBE_POS] = sum;
    }
}

/// The sum of all numbers.
#[cube(launch)]
fn total_kernel(x: &[f32], out: &mut [f32], count: u32) {
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let mut sum = 0.0f32;
    let mut at = UNIT_POS;
    while at < count {
        sum += x[at as usize];
        at += comptime!(UNITS as u32);
    }
    let sum = cube_sum(sum, &mut shared);
    if UNIT_POS == 0u32 {
        out[0] = sum;
    }
}

/// The sum of squares of all gradients, on the device of `like`. None of them is empty.
pub(super) fn squared_norm(like: &CubeTensor, gradients: &[CubeTensor]) -> CubeTensor {
    let chunks: usize = gradients.iter().map(|gradient| len(gradient).div_ceil(CHUNK)).sum();
    // A buffer of nothing cannot be bound.
    let sums = empty(like, [chunks.max(1)], DType::F32);
    let mut first = 0;
    for gradient in gradients {
        let chunks = len(gradient).div_ceil(CHUNK);
        squares_kernel::launch(
            counted(&like.client),
            cubes(chunks),
            CubeDim::new_1d(UNITS as u32),
            gradient.clone().into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            first as u32,
            len(gradient) as u32,
        );
        first += chunks;
    }
    let out = empty(like, [1], DType::F32);
    total_kernel::launch(
        counted(&like.client),
        CubeCount::new_single(),
        CubeDim::new_1d(UNITS as u32),
        sums.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        chunks as u32,
    );
    out
}

/// At least so many cubes.
fn cubes(count: usize) -> CubeCount {
    let rows = count.div_ceil(MOST_CUBES);
    CubeCount::new_2d(count.div_ceil(rows) as u32, rows as u32)
}

/// True if a number is neither infinite nor NaN, by its exponent: compilers for graphics may assume that all numbers are finite.
#[cube]
fn is_finite(number: f32) -> bool {
    (u32::reinterpret(number) & 0x7f80_0000u32) != 0x7f80_0000u32
}

#[cube(launch)]
fn update_kernel<N: Size>(
    weight: &mut [Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    mean: &mut [Vector<f32, N>],
    squares: &mut [Vector<f32, N>],
    numbers: &[f32],
    vectors: u32,
    count_of_numbers: u32,
    max_norm: f32,
    factor: f32,
    mean_share: f32,
    squares_keep: f32,
    squares_share: f32,
    correction: f32,
    epsilon: f32,
    keep: f32,
    rate: f32,
    #[comptime] clipped: bool,
) {
    let mut by = factor;
    let mut finite = true;
    if clipped {
        for at in 0..count_of_numbers {
            finite = finite && is_finite(numbers[at as usize]);
        }
        let norm = numbers[(count_of_numbers - 1u32) as usize].sqrt() * factor;
        let coefficient = max_norm / (norm + 1e-6f32);
        if max_norm > 0.0f32 && coefficient < 1.0f32 {
            by *= coefficient;
        }
    }
    if finite && ABSOLUTE_POS < vectors as usize {
        let g = gradient[ABSOLUTE_POS] * Vector::new(by);
        let m = mean[ABSOLUTE_POS];
        let m = m + (g - m) * Vector::new(mean_share);
        let v = squares[ABSOLUTE_POS] * Vector::new(squares_keep) + g * g * Vector::new(squares_share);
        let denominator = v.sqrt() / Vector::new(correction) + Vector::new(epsilon);
        let change = m / denominator * Vector::new(rate);
        weight[ABSOLUTE_POS] = weight[ABSOLUTE_POS] * Vector::new(keep) - change;
        mean[ABSOLUTE_POS] = m;
        squares[ABSOLUTE_POS] = v;
    }
}

/// Updates parameters in place. None of them is empty.
pub(super) fn update(parameters: &[&Parameter], norm: Option<&Norm>) {
    for Parameter { factors, weight, gradient, mean, squares } in parameters.iter().copied() {
        let client = &weight.client;
        let width = if len(weight).is_multiple_of(4) { 4 } else { 1 };
        let vectors = len(weight) / width;
        let dim = CubeDim::new(client, vectors);
        let numbers = norm.map_or(gradient, |norm| &norm.numbers);
        update_kernel::launch(
            counted(client),
            calculate_cube_count_elemwise(client, vectors, dim),
            dim,
            width,
            weight.clone().into_buffer_arg(),
            gradient.clone().into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            squares.clone().into_buffer_arg(),
            numbers.clone().into_buffer_arg(),
            vectors as u32,
            len(numbers) as u32,
            norm.map_or(0.0, |norm| norm.max_norm) as f32,
            factors.gradient,
            factors.mean,
            factors.squares[0],
            factors.squares[1],
            factors.correction,
            factors.epsilon,
            factors.keep,
            factors.rate,
            norm.is_some(),
        );
    }
}
