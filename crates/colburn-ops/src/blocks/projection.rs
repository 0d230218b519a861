//! The linear layers inside a block, on CubeCL: products and their gradients, in the type of the precision.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::{empty, sizes};
use crate::cube::copy::{cast, side_by_side};
use crate::cube::parts::equal_parts;
use crate::cube::product::{Arithmetic, Matrix, new_product, product};
use crate::precision::Precision;

/// The types of a block's arrays and the arithmetic of its products.
#[derive(Clone, Copy, Debug)]
pub(super) struct Types {
    /// The type of factors, and of activations between two kernels.
    pub low: DType,
    pub arithmetic: Arithmetic,
}

impl Types {
    /// The types for this precision on the device of `like`.
    pub fn of(precision: Precision, like: &CubeTensor) -> Self {
        Self { low: precision.element(&like.device), arithmetic: Arithmetic { tf32: precision == Precision::Tf32 } }
    }

    /// The array in the type of factors.
    pub fn low(&self, x: &CubeTensor) -> CubeTensor {
        cast(x, self.low)
    }

    /// Several layers' weights, or their biases, side by side in the type of factors.
    pub fn joined(&self, parts: &[CubeTensor; 3]) -> CubeTensor {
        side_by_side(&parts.each_ref(), self.low)
    }

    /// `x · weight + bias`, in the type of factors.
    pub fn forward(&self, x: &CubeTensor, weight: &CubeTensor, bias: Option<&CubeTensor>) -> CubeTensor {
        new_product(Matrix::new(x), Matrix::new(weight), bias, self.low, self.arithmetic)
    }

    /// The gradient by `x`, in the type of factors.
    pub fn by_x(&self, gradient: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        new_product(Matrix::new(gradient), Matrix::new(weight).transposed(), None, self.low, self.arithmetic)
    }

    /// Adds the gradient by `x` to `sum`, which is f32.
    pub fn add_by_x(&self, gradient: &CubeTensor, weight: &CubeTensor, sum: &CubeTensor) {
        let weight = Matrix::new(weight).transposed();
        product(Matrix::new(gradient), weight, None, true, &Matrix::new(sum), self.arithmetic);
    }

    /// The gradient by the weight, in f32.
    pub fn by_weight(&self, x: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
        new_product(Matrix::new(x).transposed(), Matrix::new(gradient), None, DType::F32, self.arithmetic)
    }

    /// The gradients by three weights of equal size, whose layers' results lie side by side, in f32.
    pub fn by_joined(&self, x: &CubeTensor, gradient: &CubeTensor) -> [CubeTensor; 3] {
        let ([_, from], [_, width]) = (sizes(x), sizes(gradient));
        let out = empty(x, [3, from, width / 3], DType::F32);
        let x = Matrix::new(x).transposed().repeated(3);
        product(x, Matrix::side_by_side(gradient, 3), None, false, &Matrix::batch(&out), self.arithmetic);
        equal_parts(&out)
    }
}
