//! Dropout and its sum with the residual stream on CubeCL. There is no tensor of masks: they follow from a hash, which the gradient computes
//! again.

use burn::tensor::{DType, Tensor};
use burn_cubecl::{CubeBackend, tensor::CubeTensor};

use crate::cube::masks::RowMasks;
use crate::cube::queue::alone;
use crate::cube::terms::Terms;
use crate::kernel::cube::{apply_1, apply_2};
use crate::kernel::{Kernel, only};

/// `x` with its masks, `[tokens, width]`.
pub(super) fn dropout(x: Tensor<2>, masks: RowMasks) -> Tensor<2> {
    apply_1(Drop(masks), x)
}

/// `x` with its masks, if it has some, and the residual added: `[tokens, width]` each.
pub(super) fn drop_add(x: Tensor<2>, residual: Tensor<2>, masks: Option<RowMasks>) -> Tensor<2> {
    apply_2(DropAdd(masks), x, residual)
}

/// The array times its masks.
fn masked(x: CubeTensor, masks: Option<&RowMasks>) -> CubeTensor {
    let terms = Terms { masks: masks.cloned(), ..Terms::new(x) };
    alone(&terms.x, |queue| terms.sum(queue, DType::F32))
}

#[derive(Clone, Debug)]
struct Drop(RowMasks);

impl Kernel<CubeBackend, 1> for Drop {
    type Saved = ();

    fn forward(&self, [x]: [CubeTensor; 1]) -> (CubeTensor, ()) {
        (masked(x, Some(&self.0)), ())
    }

    fn backward(&self, (): (), gradient: CubeTensor, _: [bool; 1]) -> [Option<CubeTensor>; 1] {
        [Some(masked(gradient, Some(&self.0)))]
    }
}

#[derive(Clone, Debug)]
struct DropAdd(Option<RowMasks>);

impl Kernel<CubeBackend, 2> for DropAdd {
    type Saved = ();

    fn forward(&self, [x, residual]: [CubeTensor; 2]) -> (CubeTensor, ()) {
        let terms = Terms { x, x_bias: None, residual: Some(residual), masks: self.0.clone() };
        (alone(&terms.x, |queue| terms.sum(queue, DType::F32)), ())
    }

    fn backward(&self, (): (), gradient: CubeTensor, wanted: [bool; 2]) -> [Option<CubeTensor>; 2] {
        let by_x = wanted[0].then(|| masked(gradient.clone(), self.0.as_ref()));
        only(wanted, [by_x, Some(gradient)])
    }
}
