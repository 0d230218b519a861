//! Layer norms, alone and behind the sum of a residual stream with what dropout leaves of a layer, and rows of length one.

use burn::tensor::{Tensor, module};

#[cfg(feature = "flex")]
use crate::fused;
use crate::{Dropout, Spans};

/// `(x - mean) / √(variance + eps) · weight + bias` of each row (Ba, Kiros and Hinton 2016; `torch.nn.functional.layer_norm`).
///
/// # Shapes
/// `x` and the result: `[tokens, width]`; `weight` and `bias`: `[width]`.
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Option<Tensor<1>>, eps: f64) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::layer_norm(x, weight, bias, eps);
    }
    module::layer_norm(x, weight, bias, eps)
}

/// The [`layer_norm`] of `dropout(x) + residual`: what follows each half of a layer of BERT. Dropout is as in [`Dropout::apply`].
///
/// # Shapes
/// `x`, `residual` and the result: `[tokens, width]`; `weight` and `bias`: `[width]`.
#[expect(clippy::too_many_arguments, reason = "each is a part of the formula")]
pub fn drop_add_norm(
    x: Tensor<2>,
    residual: Tensor<2>,
    weight: Tensor<1>,
    bias: Option<Tensor<1>>,
    eps: f64,
    p: f64,
    spans: &Spans,
    dropout: &mut Dropout,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::drop_add_norm(x, residual, weight, bias, eps, dropout.rows(p, spans));
    }
    module::layer_norm(dropout.apply(x, p, spans) + residual, weight, bias, eps)
}

/// `dropout(x) + residual`: what ends each half of a layer whose norms come first. Dropout is as in [`Dropout::apply`].
///
/// # Shapes
/// All: `[tokens, width]`.
pub fn drop_add(x: Tensor<2>, residual: Tensor<2>, p: f64, spans: &Spans, dropout: &mut Dropout) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::drop_add(x, residual, dropout.rows(p, spans));
    }
    dropout.apply(x, p, spans) + residual
}

/// Every row divided by its L2 norm, or by 1e-12 where that is larger (`torch.nn.functional.normalize`).
///
/// # Shapes
/// `x` and the result: `[tokens, width]`.
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::normalize(x);
    }
    normalize_composed(x)
}

/// The same, made of Burn's operations.
pub(crate) fn normalize_composed(x: Tensor<2>) -> Tensor<2> {
    // Bounded before the root, whose gradient at 0 is infinite.
    let norm = (x.clone() * x.clone()).sum_dim(1).clamp_min(1e-24).sqrt();
    x / norm
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    // x = torch.tensor([[3., 4.], [0., 0.]], requires_grad=True)
    // y = torch.nn.functional.normalize(x, dim=-1); (y * torch.tensor([[1., 0.], [0., 0.]])).sum().backward(); print(y, x.grad)
    #[test]
    fn a_row_of_zeros_has_a_finite_gradient() {
        for function in [normalize, normalize_composed] {
            let device = Device::flex().autodiff();
            let x = Tensor::<2>::from_data([[3.0, 4.0], [0.0, 0.0]], &device).require_grad();
            let y = function(x.clone());
            let weights = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 0.0]], &device);
            let gradients = (y.clone() * weights).sum().backward();
            let values = y.inner().into_data().try_to_vec::<f32>().unwrap();
            assert_eq!(values, [0.6, 0.8, 0.0, 0.0]);
            let gradient = x.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
            for (found, expected) in gradient.iter().zip([0.128, -0.096, 0.0, 0.0]) {
                assert!((found - expected).abs() < 1e-6, "{gradient:?}");
            }
        }
    }

    // x = torch.tensor([[1., 2., 4.]], requires_grad=True); w = torch.tensor([2., 1., .5]); b = torch.tensor([0., 1., -1.])
    // y = torch.nn.functional.layer_norm(x, [3], w, b, 1e-5); (y * torch.tensor([[1., -1., 2.]])).sum().backward(); print(y, x.grad)
    #[test]
    fn a_layer_norm_is_that_of_torch() {
        let device = Device::flex().autodiff();
        let x = Tensor::<2>::from_data([[1.0, 2.0, 4.0]], &device).require_grad();
        let weight = Tensor::<1>::from_data([2.0, 1.0, 0.5], &device);
        let bias = Tensor::<1>::from_data([0.0, 1.0, -1.0], &device);
        let y = layer_norm(x.clone(), weight, Some(bias), 1e-5);
        let weights = Tensor::<2>::from_data([[1.0, -1.0, 2.0]], &device);
        let gradients = (y.clone() * weights).sum().backward();
        let near = |found: Vec<f32>, expected: [f32; 3]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-6), "{found:?} is not {expected:?}");
        };
        near(y.inner().into_data().try_to_vec().unwrap(), [-2.1380827, 0.732_739_7, -0.3318491]);
        near(x.grad(&gradients).unwrap().into_data().try_to_vec().unwrap(), [0.916_322_3, -1.3744816, 0.45815927]);
    }
}
