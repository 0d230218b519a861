//! The parts that kernels on the CPU are made of: arrays, rows shared out among the cores, sums and functions in vectors, and products of
//! matrices in f32, bf16 and f16. Only the `flex` kernels of the operations use them.

pub(crate) mod array;
pub(crate) mod bf16;
pub(crate) mod lanes;
pub(crate) mod math;
pub(crate) mod matrix;
pub(crate) mod parallel;
pub(crate) mod rounded;
