//! The global norm of the gradients of a step, and clipping by it.
//!
//! PyTorch clips the norm over *all* parameters (`clip_grad_norm_`), where Burn clips each tensor by itself. The squares are summed on the
//! device, and read in one transfer together with the losses of the step.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use colburn_ops::AnyTensor;

/// Numbers whose sum is the sum of squares of all gradients, on the device; none if there is no gradient. A parameter that occurs twice in the
/// module counts once.
pub(crate) fn squared_norms<M: Module>(module: &M, gradients: &GradientsParams) -> Option<Tensor<1>> {
    let mut visitor = Collect { gradients, seen: HashSet::new(), list: Vec::new() };
    module.visit(&mut visitor);
    (!visitor.list.is_empty()).then(|| colburn_ops::squared_norms(visitor.list))
}

/// Makes one gradient NaN if the loss, `[1]`, is not finite, on the device. Before gradients are averaged over ranks, that makes the norm NaN on
/// all of them.
pub(crate) fn spoil<M: Module>(module: &M, gradients: &mut GradientsParams, loss: &Tensor<1>) {
    let mut smallest = Smallest { gradients, found: None };
    module.visit(&mut smallest);
    if let Some((_, id)) = smallest.found {
        module.visit(&mut Spoil { gradients, id, by: loss.clone() * 0.0 });
    }
}

/// Multiplies every gradient.
pub(crate) fn scale<M: Module>(module: &M, gradients: GradientsParams, factor: f64) -> GradientsParams {
    let mut visitor = Scale { from: gradients, factor, to: GradientsParams::new() };
    module.visit(&mut visitor);
    visitor.to
}

/// All gradients, in the order of the parameters.
struct Collect<'a> {
    gradients: &'a GradientsParams,
    seen: HashSet<ParamId>,
    list: Vec<AnyTensor>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.seen.insert(param.id) {
            return;
        }
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.list.push(AnyTensor::new(gradient));
        }
    }
}

/// The parameter with the smallest gradient, and its size.
struct Smallest<'a> {
    gradients: &'a GradientsParams,
    found: Option<(usize, ParamId)>,
}

impl ModuleVisitor for Smallest<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let size = gradient.shape().num_elements();
        if self.found.is_none_or(|(smallest, _)| size < smallest) {
            self.found = Some((size, param.id));
        }
    }
}

/// Adds a number to the gradient of a parameter.
struct Spoil<'a> {
    gradients: &'a mut GradientsParams,
    id: ParamId,
    by: Tensor<1>,
}

impl ModuleVisitor for Spoil<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.id != self.id {
            return;
        }
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient + self.by.clone().reshape([1; D]));
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
#[cfg(feature = "flex")]
mod golden {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};
    use colburn_ops::Clip;

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

        let squares = squared_norms(&toy, &gradients).unwrap().into_data();
        let norm = squares.iter::<f64>().sum::<f64>().sqrt();
        assert!((norm - 2.0952329635620117).abs() < 1e-6, "{norm}");

        let coefficient = Clip::factor(norm, 1.0);
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

    #[test]
    fn a_loss_that_is_not_finite_spoils_the_norm() {
        let device = Device::flex();
        let (w, b) = (Param::from_data([[0.0; 3]; 2], &device), Param::from_data([0.0; 2], &device));
        let toy = Toy { again: w.clone(), w, b, without: Param::from_data([0.0], &device) };
        let of_b = [0.5f32, -1e-4];
        for (loss, finite) in [(0.3f32, true), (f32::NAN, false), (f32::INFINITY, false)] {
            let mut gradients = GradientsParams::new();
            gradients.register(toy.w.id, Tensor::<2>::ones([2, 3], &device));
            gradients.register(toy.b.id, Tensor::<1>::from_data(of_b, &device));
            spoil(&toy, &mut gradients, &Tensor::from_data([loss], &device));
            let norm = squared_norms(&toy, &gradients).unwrap().sum().into_scalar::<f32>();
            assert_eq!(norm.is_finite(), finite, "{loss}");
            if finite {
                assert_eq!(gradients.get::<1>(toy.b.id).unwrap().into_data(), TensorData::from(of_b));
            }
        }
    }
}
