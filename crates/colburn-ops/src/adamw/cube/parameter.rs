//! A parameter and its state as arrays of the device.

use burn::tensor::Tensor;
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};

use crate::adamw::update::Factors;
use crate::any_tensor::AnyTensor;
use crate::cube::array::len;
use crate::cube::copy::copied;

/// A parameter with the numbers of its update.
pub(super) struct Parameter {
    pub factors: Factors,
    pub weight: CubeTensor,
    pub gradient: CubeTensor,
    pub mean: CubeTensor,
    pub squares: CubeTensor,
}

/// The norm that gradients are clipped to on the device.
pub(super) struct Norm {
    /// Numbers that must be finite, the last of which is the square of the norm of all gradients.
    pub numbers: CubeTensor,
    pub max_norm: f64,
}

impl Parameter {
    /// The parameter with weight and moments that may be written over: the arrays themselves if nothing else holds them.
    pub fn new(factors: Factors, weight: AnyTensor, gradient: AnyTensor, moments: [AnyTensor; 2]) -> Self {
        let [mean, squares] = moments.map(owned);
        let (weight, gradient) = (owned(weight), contiguous(gradient));
        let count = len(&weight);
        assert!(
            [&gradient, &mean, &squares].into_iter().all(|array| len(array) == count),
            "a gradient and moments of other shapes than their parameter"
        );
        Self { factors, weight, gradient, mean, squares }
    }

    /// The weight and the moments as tensors.
    pub fn updated(self) -> (AnyTensor, [AnyTensor; 2]) {
        (any(self.weight), [self.mean, self.squares].map(any))
    }
}

/// The numbers of a tensor, side by side in memory.
pub(super) fn contiguous(tensor: AnyTensor) -> CubeTensor {
    let primitive = tensor.into_tensor::<1>().try_into_primitive::<CubeBackend>();
    into_contiguous(primitive.expect("the caller asked whether it is one of CubeCL"))
}

/// The same, to be written over.
fn owned(tensor: AnyTensor) -> CubeTensor {
    let array = contiguous(tensor);
    if array.handle.can_mut() {
        return array;
    }
    // A copy by Burn may have gaps between its rows.
    CubeTensor { handle: copied(&array, 0, len(&array), array.dtype).handle, ..array }
}

/// The array as a tensor.
pub(super) fn tensor(array: CubeTensor) -> Tensor<1> {
    Tensor::from_primitive::<CubeBackend>(array)
}

fn any(array: CubeTensor) -> AnyTensor {
    AnyTensor::new(tensor(array))
}
