//! The numbers of one update by AdamW.

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
    /// The share of the weights that is taken off first: the learning rate times the weight decay.
    pub decay: f64,
    /// t, the number of this update, counted from 1.
    pub step: u64,
    /// The factor of the gradient, 1 for none. Clipping is such a factor, and so costs no pass of its own.
    pub factor: f64,
}

impl AdamWUpdate {
    /// The bias corrections of both moments, which begin at 0.
    pub(super) fn corrections(&self) -> [f64; 2] {
        [self.betas.0, self.betas.1].map(|beta| 1.0 - beta.powf(self.step as f64))
    }
}

/// The numbers of an update as kernels take them, rounded once from 64 bits.
#[cfg(any(feature = "flex", feature = "cube"))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    /// The factor of the gradient.
    pub gradient: f32,
    /// `1 − β₁`.
    pub mean: f32,
    /// `β₂` and `1 − β₂`.
    pub squares: [f32; 2],
    /// `√(1−β₂ᵗ)`.
    pub correction: f32,
    pub epsilon: f32,
    /// `1 − decay`.
    pub keep: f32,
    /// `rate/(1−β₁ᵗ)`.
    pub rate: f32,
}

#[cfg(any(feature = "flex", feature = "cube"))]
impl Factors {
    pub fn new(update: &AdamWUpdate) -> Self {
        let ((beta1, beta2), [correction1, correction2]) = (update.betas, update.corrections());
        Self {
            gradient: update.factor as f32,
            mean: (1.0 - beta1) as f32,
            squares: [beta2 as f32, (1.0 - beta2) as f32],
            correction: correction2.sqrt() as f32,
            epsilon: update.epsilon as f32,
            keep: (1.0 - update.decay) as f32,
            rate: (update.rate / correction1) as f32,
        }
    }
}
