//! The gradients of a layer norm.

use burn_cubecl::tensor::CubeTensor;

use crate::cube::parts::rows_of;
use crate::cube::queue::Queue;

/// The gradients of a layer norm.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// By x, in its type. It is the array of `by_sum` where there are no masks and x has f32.
    pub by_x: CubeTensor,
    /// By the sum, and so by the residual: f32.
    pub by_sum: CubeTensor,
    /// f32 of `[width]`, as are the others.
    pub by_weight: CubeTensor,
    pub by_bias: Option<CubeTensor>,
    /// There if x has a bias.
    pub by_x_bias: Option<CubeTensor>,
}

impl Gradients {
    /// The gradients by x, if it is another array than that by the sum, and by the sum; and the others side by side: by weight, by bias and, if x
    /// has one, by its bias.
    pub(super) fn new(
        queue: &mut Queue,
        by_x: Option<CubeTensor>,
        by_sum: CubeTensor,
        sums: &CubeTensor,
        has_x_bias: bool,
    ) -> Self {
        let width = sums.meta.shape()[0] / if has_x_bias { 3 } else { 2 };
        let mut sums = |number: usize| rows_of(queue, sums, number * width, width);
        let (by_weight, by_bias, by_x_bias) = (sums(0), Some(sums(1)), has_x_bias.then(|| sums(2)));
        Self { by_x: by_x.unwrap_or_else(|| by_sum.clone()), by_sum, by_weight, by_bias, by_x_bias }
    }
}
