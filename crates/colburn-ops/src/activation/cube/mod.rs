//! Activation functions on CubeCL, alone and as gated linear units. The backward pass computes the function again instead of keeping its parts: it
//! writes, beside the gradient, the function itself if the next layer's gradient needs it, and sums of the gradient's columns if the layer before
//! has a bias.

#[cfg(feature = "cuda")]
mod cuda;
mod elementwise;
mod extras;
mod functions;
mod gated;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

pub(crate) use self::extras::Extras;
use super::function::Activation;
use crate::cube::array::{len, sizes};
use crate::cube::queue::{Queue, alone};
use crate::cube::sums::{add_partial, column_sums, zeros};
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// The function of every element, in the type of x.
pub(crate) fn forward(queue: &mut Queue, activation: Activation, x: &CubeTensor) -> CubeTensor {
    if activation == Activation::Linear || len(x) == 0 {
        return x.clone();
    }
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(activation, x)
    {
        return cuda::forward(task, activation, x);
    }
    queue.start();
    elementwise::forward(activation, x)
}

/// The gradient by x in its type, and the extras, from the gradient by the function. An array of any number of dimensions has as many columns as
/// its last one.
///
/// # Panics
/// When the sizes differ.
pub(crate) fn backward(
    queue: &mut Queue,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    let shape = x.meta.shape();
    assert_eq!(shape, gradient.meta.shape(), "the sizes of an activation and of its gradient");
    if len(x) == 0 {
        let width = shape[shape.num_dims() - 1];
        return (x.clone(), extras.value.then(|| x.clone()), extras.sums.then(|| zeros(x, width)));
    }
    let (by_x, value, partial) = differentiate(queue, activation, x, gradient, extras);
    (by_x, value, partial.map(|partial| add_partial(queue, &partial)))
}

/// As [`backward`], with the sums of blocks of rows.
fn differentiate(
    queue: &mut Queue,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(activation, x)
        && gradient.dtype == x.dtype
        && crate::cube::cuda::takes(gradient)
    {
        return cuda::backward(task, activation, x, gradient, extras);
    }
    queue.start();
    elementwise::backward(activation, x, gradient, extras)
}

/// The gated linear units of `[tokens, 2 · width]`: `[tokens, width]`, in the type of x.
pub(crate) fn gated_forward(queue: &mut Queue, activation: Activation, x: &CubeTensor) -> CubeTensor {
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && len(x) > 0
        && cuda::serves_gated(activation, x)
    {
        return cuda::gated_forward(task, activation, x);
    }
    queue.start();
    gated::forward(activation, x)
}

/// The gradient by x, `[tokens, 2 · width]`, in its type, and the extras, from that by the units.
///
/// # Panics
/// When the sizes do not fit together.
pub(crate) fn gated_backward(
    queue: &mut Queue,
    activation: Activation,
    x: &CubeTensor,
    gradient: &CubeTensor,
    extras: Extras,
) -> (CubeTensor, Option<CubeTensor>, Option<CubeTensor>) {
    let [rows, both] = sizes(x);
    assert_eq!(sizes(gradient), [rows, both / 2], "the sizes of gated units and of their gradient");
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && len(x) > 0
        && cuda::serves_gated(activation, x)
        && gradient.dtype == x.dtype
        && crate::cube::cuda::takes(gradient)
    {
        let (by_x, value, partial) = cuda::gated_backward(task, activation, x, gradient, extras);
        return (by_x, value, partial.map(|partial| add_partial(queue, &partial)));
    }
    queue.start();
    let (by_x, value) = gated::backward(activation, x, gradient, extras.value);
    let sums = extras.sums.then(|| column_sums(queue, &by_x));
    (by_x, value, sums)
}

/// The function of every element.
pub(super) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    apply_1(Elementwise(activation), x)
}

/// The function of the first half of each row, times the second half.
pub(super) fn gated(activation: Activation, x: Tensor<2>) -> Tensor<2> {
    apply_1(Gated(activation), x)
}

#[derive(Clone, Debug)]
struct Elementwise(Activation);

impl Kernel<CubeBackend, 1> for Elementwise {
    type Saved = CubeTensor;

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, CubeTensor) {
        (alone(&x, |queue| forward(queue, self.0, &x)), x)
    }

    fn backward(&self, x: CubeTensor, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        let nothing = Extras { value: false, sums: false };
        [Some(alone(&x, |queue| backward(queue, self.0, &x, &gradient, nothing)).0)]
    }
}

#[derive(Clone, Debug)]
struct Gated(Activation);

impl Kernel<CubeBackend, 1> for Gated {
    type Saved = CubeTensor;

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, CubeTensor) {
        (alone(&x, |queue| gated_forward(queue, self.0, &x)), x)
    }

    fn backward(&self, x: CubeTensor, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        let nothing = Extras { value: false, sums: false };
        [Some(alone(&x, |queue| gated_backward(queue, self.0, &x, &gradient, nothing)).0)]
    }
}
