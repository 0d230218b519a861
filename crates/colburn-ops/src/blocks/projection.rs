//! The linear layers inside a block, on CubeCL: products and their gradients, in the type of the precision.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::{empty, sizes};
use crate::cube::casts::{Cast, cast_all};
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

    /// Arrays in the type of factors; those of a list, up to three matrices or vectors, side by side.
    pub fn low_all<const N: usize>(&self, lists: [&[&CubeTensor]; N]) -> [CubeTensor; N] {
        if self.low == DType::F32 {
            return lists.map(|list| match list {
                [one] => (*one).clone(),
                several => side_by_side(several, self.low),
            });
        }
        let mut casts = Vec::new();
        let all = lists.map(|list| {
            let shapes: Vec<Vec<usize>> =
                list.iter().map(|array| array.meta.shape().iter().copied().collect()).collect();
            let width = shapes.iter().filter_map(|shape| shape.last()).sum();
            let to = match shapes[0].as_slice() {
                [rows, _] => empty(list[0], [*rows, width], self.low),
                _ => empty(list[0], [width], self.low),
            };
            let mut first = 0;
            for (array, shape) in list.iter().zip(&shapes) {
                casts.push(Cast { from: (*array).clone(), to: to.clone(), first });
                first += shape.last().copied().unwrap_or(0);
            }
            to
        });
        cast_all(casts);
        all
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
