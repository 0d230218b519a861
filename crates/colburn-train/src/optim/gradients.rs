//! The global norm of the gradients of a step, and clipping by it.
//!
//! PyTorch clips the norm over *all* parameters (`clip_grad_norm_`), where Burn clips each tensor by itself. The squares are summed on the
//! device, tensor by tensor, and read in one transfer together with the losses of the step.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use colburn_ops::squared_norm;

/// The sum of squares of each gradient, a tensor of one element each, in the order of the parameters. A parameter that occurs twice in the
/// module counts once.
pub(crate) fn squared_norms<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<Tensor<1>> {
    let mut visitor = SquaredNorms { gradients, seen: HashSet::new(), sums: Vec::new() };
    module.visit(&mut visitor);
    visitor.sums
}

/// The factor that reduces the global norm of the gradients to `max_norm`; none when the norm is not larger, or when `max_norm` is 0.
/// Source: `torch.nn.utils.clip_grad_norm_`.
pub(crate) fn clip_coefficient(norm: f64, max_norm: f64) -> Option<f64> {
    let coefficient = max_norm / (norm + 1e-6);
    (max_norm > 0.0 && coefficient < 1.0).then_some(coefficient)
}

/// Multiplies every gradient.
pub(crate) fn scale<M: Module>(module: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    let mut visitor = Scale { from: gradients, factor, to: GradientsParams::new() };
    module.visit(&mut visitor);
    visitor.to
}

struct SquaredNorms<'a> {
    gradients: &'a GradientsParams,
    seen: HashSet<ParamId>,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(squared_norm(gradient));
        }
    }
}

struct Scale {
    from: GradientsParams,
    factor: f64,
    to: GradientsParams,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.remove::<D>(param.id) {
            self.to.register(param.id, gradient * self.factor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coefficient_only_shrinks() {
        assert_eq!(clip_coefficient(0.5, 1.0), None);
        assert_eq!(clip_coefficient(5.0, 0.0), None);
        assert_eq!(clip_coefficient(4.0, 1.0), Some(1.0 / (4.0 + 1e-6)));
    }
}

#[cfg(all(test, feature = "flex"))]
mod golden {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    #[derive(Module, Debug)]
    struct Toy {
        w: Param<Tensor<2>>,
        again: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        without: Param<Tensor<1>>,
    }

    // import torch
    // w = torch.nn.Parameter(torch.zeros(2, 3)); b = torch.nn.Parameter(torch.zeros(2))
    // w.grad = torch.tensor([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]]); b.grad = torch.tensor([0.5, -1e-4])
    // print(torch.nn.utils.clip_grad_norm_([w, b], 1.0).item(), w.grad.flatten().tolist(), b.grad.tolist())
    #[test]
    fn equals_torch_and_counts_a_tied_weight_once() {
        let device = Device::flex();
        let w = Param::from_data([[0.0; 3]; 2], &device);
        let toy = Toy {
            again: w.clone(),
            w,
            b: Param::from_data([0.0; 2], &device),
            without: Param::from_data([0.0], &device),
        };
        let mut gradients = GradientsParams::new();
        gradients.register(toy.w.id, Tensor::<2>::from_data([[0.1, -0.2, 0.3], [1e-3, 0.0, -2.0]], &device));
        gradients.register(toy.b.id, Tensor::<1>::from_data([0.5, -1e-4], &device));

        let squares = Tensor::cat(squared_norms(&toy, &gradients), 0).into_data();
        let norm = squares.iter::<f64>().sum::<f64>().sqrt();
        assert!((norm - 2.0952329635620117).abs() < 1e-6, "{norm}");

        let coefficient = clip_coefficient(norm, 1.0).unwrap();
        let clipped = scale(&toy, gradients, coefficient);
        near(
            clipped.get::<2>(toy.w.id).unwrap(),
            [
                0.04772736877202988,
                -0.09545473754405975,
                0.14318211376667023,
                0.00047727368655614555,
                0.0,
                -0.9545473456382751,
            ],
        );
        near(clipped.get::<1>(toy.b.id).unwrap(), [0.2386368364095688, -4.7727364290039986e-05]);
    }

    fn near<const D: usize, const N: usize>(found: Tensor<D>, expected: [f64; N]) {
        let expected = TensorData::new(expected.map(|value| value as f32).to_vec(), found.dims());
        found.into_data().assert_approx_eq::<f32>(&expected, Tolerance::relative(1e-6));
    }
}
