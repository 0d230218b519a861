//! The linear layers inside a block, on CubeCL: products and their gradients, in the type of the precision.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

use crate::cube::array::sizes;
use crate::cube::casts::{Cast, cast_all};
use crate::cube::copy::side_by_side;
use crate::cube::parts::equal_parts;
use crate::cube::product::{Arithmetic, Matrix, new_product, product};
use crate::cube::queue::Queue;
use crate::cube::room::Room;
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

    /// Arrays in the type of factors; those of a list, up to three matrices or vectors of f32, side by side.
    pub fn low_all<const N: usize>(&self, queue: &mut Queue, lists: [&[&CubeTensor]; N]) -> [CubeTensor; N] {
        let mut casts = Vec::new();
        let all = lists.map(|list| {
            let first_of_list = list[0];
            if list.len() == 1 && first_of_list.dtype == self.low {
                return first_of_list.clone();
            }
            if list.len() > 1 && !queue.gathers() {
                return side_by_side(list, self.low);
            }
            let widths = list.iter().filter_map(|array| array.meta.shape().iter().last().copied());
            let width = widths.clone().sum();
            let to = match first_of_list.meta.shape().iter().as_slice() {
                [rows, _] => queue.empty_in(Room::Shared, first_of_list, [*rows, width], self.low),
                _ => queue.empty_in(Room::Shared, first_of_list, [width], self.low),
            };
            let mut first = 0;
            for (array, columns) in list.iter().zip(widths) {
                casts.push(Cast { from: (*array).clone(), to: to.clone(), first });
                first += columns;
            }
            to
        });
        cast_all(queue, casts);
        all
    }

    /// Two weights, and the bias of the first if it has one, in the type of factors.
    pub fn low_weights(
        &self,
        queue: &mut Queue,
        [first, second]: [&CubeTensor; 2],
        bias: Option<&CubeTensor>,
    ) -> ([CubeTensor; 2], Option<CubeTensor>) {
        match bias {
            Some(bias) => {
                let [first, second, bias] = self.low_all(queue, [&[first], &[second], &[bias]]);
                ([first, second], Some(bias))
            }
            None => (self.low_all(queue, [&[first], &[second]]), None),
        }
    }

    /// `x · weight + bias`, in the type of factors.
    pub fn forward(
        &self,
        queue: &mut Queue,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
    ) -> CubeTensor {
        self.forward_in(queue, Room::Shared, x, weight, bias)
    }

    /// The same, in this room.
    pub fn forward_in(
        &self,
        queue: &mut Queue,
        room: Room,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
    ) -> CubeTensor {
        new_product(queue, room, Matrix::new(x), Matrix::new(weight), bias, self.low, self.arithmetic)
    }

    /// The gradient by `x`, in the type of factors.
    pub fn by_x(&self, queue: &mut Queue, gradient: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        new_product(
            queue,
            Room::Scratch,
            Matrix::new(gradient),
            Matrix::new(weight).transposed(),
            None,
            self.low,
            self.arithmetic,
        )
    }

    /// Adds the gradient by `x` to `sum`, which is f32.
    pub fn add_by_x(&self, queue: &mut Queue, gradient: &CubeTensor, weight: &CubeTensor, sum: &CubeTensor) {
        let weight = Matrix::new(weight).transposed();
        product(queue, Matrix::new(gradient), weight, None, true, &Matrix::new(sum), self.arithmetic);
    }

    /// The gradient by the weight, in f32.
    pub fn by_weight(&self, queue: &mut Queue, x: &CubeTensor, gradient: &CubeTensor) -> CubeTensor {
        new_product(
            queue,
            Room::Shared,
            Matrix::new(x).transposed(),
            Matrix::new(gradient),
            None,
            DType::F32,
            self.arithmetic,
        )
    }

    /// The gradients by three weights of equal size, whose layers' results lie side by side, in f32.
    pub fn by_joined(&self, queue: &mut Queue, x: &CubeTensor, gradient: &CubeTensor) -> [CubeTensor; 3] {
        let ([_, from], [_, width]) = (sizes(x), sizes(gradient));
        let out = queue.empty_in(Room::Shared, x, [3, from, width / 3], DType::F32);
        let x = Matrix::new(x).transposed().repeated(3);
        product(queue, x, Matrix::side_by_side(gradient, 3), None, false, &Matrix::batch(&out), self.arithmetic);
        equal_parts(queue, &out)
    }
}
