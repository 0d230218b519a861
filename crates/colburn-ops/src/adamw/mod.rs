//! What an optimizer computes on each parameter: the square of a gradient's length, and AdamW's update.
//!
//! Composed of tensor operations an update is a dozen passes over weight, gradient and moments, each of which makes a new tensor; on the CPU
//! backend flex it is one, in place. Which parameters there are, what their learning rates are and what is remembered from step to step
//! is the trainer's affair.

use burn::tensor::Tensor;

#[cfg(feature = "flex")]
use crate::fused;

/// The sum of squares of all numbers, on their device. Gradients of it are not kept.
///
/// It is the same on any number of cores.
pub fn squared_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let x = x.inner();
    #[cfg(feature = "flex")]
    if fused::runs_on(&x) {
        return fused::squared_norm(x);
    }
    composed_norm(x)
}

/// In two reductions: flex sums a large tensor at once in an order that depends on the number of threads.
fn composed_norm<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let squares = x.square();
    if D > 1 { squares.sum_dim(D - 1).sum() } else { squares.sum() }
}

/// One update by AdamW (Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019), as `torch.optim.AdamW` computes it:
/// `p ← p (1 − decay) − rate/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWUpdate {
    /// β₁ and β₂: decay of the mean of the gradients, and of the mean of their squares.
    pub betas: (f64, f64),
    /// ε, added to the denominator.
    pub epsilon: f64,
    /// The learning rate.
    pub rate: f64,
    /// What the weights lose first, a share of them: the learning rate times the weight decay.
    pub decay: f64,
    /// t, the number of this update, which is counted from 1.
    pub step: u64,
    /// What the gradient is multiplied with before anything else, 1 for nothing: so it is clipped without a pass of its own.
    pub factor: f64,
}

impl AdamWUpdate {
    /// The weight and its moments, the mean of the gradients and that of their squares, after this update. All have the same shape; what
    /// comes back is on no graph.
    ///
    /// On the CPU backend flex weight and moments are updated where they lie if nothing else holds them, and copied first otherwise.
    pub fn apply<const D: usize>(
        &self,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        moments: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let (weight, gradient, moments) = (weight.inner(), gradient.inner(), moments.map(Tensor::inner));
        #[cfg(feature = "flex")]
        if [&weight, &gradient, &moments[0], &moments[1]].into_iter().all(fused::runs_on) {
            return fused::adamw(self, weight, gradient, moments);
        }
        self.composed(weight, gradient, moments)
    }

    pub(crate) fn composed<const D: usize>(
        &self,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        [mean, squares]: [Tensor<D>; 2],
    ) -> (Tensor<D>, [Tensor<D>; 2]) {
        let (beta1, beta2) = self.betas;
        let gradient = if self.factor == 1.0 { gradient } else { gradient * self.factor };
        let mean = mean.clone() + (gradient.clone() - mean) * (1.0 - beta1);
        let squares = squares * beta2 + gradient.square() * (1.0 - beta2);
        let [correction1, correction2] = self.corrections();
        let denominator = squares.clone().sqrt() / correction2.sqrt() + self.epsilon;
        let weight = if self.decay == 0.0 { weight } else { weight * (1.0 - self.decay) };
        let weight = weight - mean.clone() / denominator * (self.rate / correction1);
        (weight, [mean, squares])
    }

    /// What is missing of the moments, which begin at 0.
    pub(crate) fn corrections(&self) -> [f64; 2] {
        [self.betas.0, self.betas.1].map(|beta| 1.0 - beta.powf(self.step as f64))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::fused::testing::{numbers, random};
    use burn::tensor::Device;

    #[test]
    fn the_norm_is_that_of_its_definition() {
        for (seed, shape) in [[1, 1], [3, 5], [1, 200_000], [700, 100], [0, 4]].into_iter().enumerate() {
            let x = random(shape, seed as u64);
            let exact: f64 =
                numbers(shape[0] * shape[1], seed as u64).iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            // The composed form adds up a row of 200,000 in 32 bits.
            for (found, tolerance) in
                [(squared_norm(x.clone()), 1e-6), (squared_norm(x.clone().autodiff()), 1e-6), (composed_norm(x), 1e-4)]
            {
                let found = f64::from(found.into_scalar::<f32>());
                assert!((found - exact).abs() <= tolerance * exact, "{shape:?}: {found}, {exact} expected");
            }
        }
        // What does not lie side by side counts once, too.
        let part = random([40, 30], 1).slice([3..20, 4..9]);
        let (found, twin) = (squared_norm(part.clone()), composed_norm(part));
        assert!((found.into_scalar::<f32>() - twin.into_scalar::<f32>()).abs() < 1e-4);
        let infinite = Tensor::<1>::from_data([1.0, f32::NAN], &Device::flex());
        assert!(squared_norm(infinite).into_scalar::<f32>().is_nan());
    }
}
