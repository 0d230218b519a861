//! Rows of length one on CubeCL.

#[cfg(feature = "cuda")]
mod cuda;
mod portable;

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::cube::array::{empty, len};
use crate::cube::queue::{Queue, alone};
use crate::kernel::Kernel;
use crate::kernel::cube::apply_1;

/// Every row over its L2 norm, `[tokens, width]`.
pub(super) fn normalize(x: Tensor<2>) -> Tensor<2> {
    apply_1(Normalize, x)
}

/// The rows of length one, and the squares of their former lengths, `[tokens]`.
fn forward(queue: &mut Queue, x: &CubeTensor) -> (CubeTensor, CubeTensor) {
    if len(x) == 0 {
        return (x.clone(), empty(x, [x.meta.shape()[0]], DType::F32));
    }
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(&[x])
    {
        return cuda::forward(task, x);
    }
    queue.start();
    portable::forward(x)
}

/// The gradient by x, from that by the rows of length one.
fn backward(queue: &mut Queue, value: &CubeTensor, squares: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
    if len(value) == 0 {
        return value.clone();
    }
    #[cfg(feature = "cuda")]
    if let Some(task) = queue.task()
        && cuda::serves(&[value, gradient])
    {
        return cuda::backward(task, value, squares, gradient);
    }
    queue.start();
    portable::backward(value, squares, gradient)
}

#[derive(Clone, Debug)]
struct Normalize;

impl Kernel<CubeBackend, 1> for Normalize {
    /// The rows of length one, and the squares of their former lengths.
    type Saved = [CubeTensor; 2];

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, Self::Saved) {
        let (out, squares) = alone(&x, |queue| forward(queue, &x));
        (out.clone(), [out, squares])
    }

    fn backward(&self, [value, squares]: Self::Saved, gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        [Some(alone(&value, |queue| backward(queue, &value, &squares, &gradient)))]
    }
}
