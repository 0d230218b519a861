//! Dynamic scaling of the loss, as `torch.amp.GradScaler` does it.
//!
//! f16 has no numbers below 6e-8, where many gradients lie. So the loss is multiplied by a scale, and with it every gradient, up to the optimizer,
//! which divides by it. The scale is as large as the gradients allow: a step whose gradients are not finite is skipped, and the scale is
//! reduced; after many steps without such a one it grows.
//!
//! Source: Micikevicius et al., *Mixed Precision Training* (ICLR 2018); `torch/amp/grad_scaler.py` and `_amp_update_scale_`.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The smallest scale of a run. If gradients are not finite at it, something else than the range of f16 is wrong.
const SMALLEST: f64 = 1.0 / (1 << 14) as f64;

/// The scale of the loss, and the rules by which it changes. The defaults are PyTorch's.
///
/// ```
/// use colburn_train::GradScaler;
///
/// let mut scaler = GradScaler { growth_interval: 2, ..Default::default() };
/// assert_eq!(scaler.scale, 65536.0);
/// scaler.update(true);
/// assert_eq!((scaler.scale, scaler.skipped_steps), (32768.0, 1));
/// scaler.update(false);
/// scaler.update(false);
/// assert_eq!((scaler.scale, scaler.growth_tracker), (65536.0, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GradScaler {
    /// The factor of the loss of the next step.
    pub scale: f64,
    /// The factor of the scale after `growth_interval` steps in a row whose gradients were finite.
    pub growth_factor: f64,
    /// The factor of the scale after a step whose gradients were not finite.
    pub backoff_factor: f64,
    /// See `growth_factor`.
    pub growth_interval: usize,
    /// Number of steps whose gradients were finite since the scale last changed, or would have.
    pub growth_tracker: usize,
    /// Number of steps that were skipped. The schedule of the learning rate does not count them, as in Hugging Face's trainer.
    pub skipped_steps: usize,
}

impl Default for GradScaler {
    fn default() -> Self {
        Self {
            scale: 65536.0,
            growth_factor: 2.0,
            backoff_factor: 0.5,
            growth_interval: 2000,
            growth_tracker: 0,
            skipped_steps: 0,
        }
    }
}

impl GradScaler {
    /// Takes note of a step, which was skipped if its gradients were not finite. Scales are rounded to f32, and one that f32 does not hold is left as
    /// it was.
    pub fn update(&mut self, skipped: bool) {
        if skipped {
            self.scale = f64::from((self.scale * self.backoff_factor) as f32);
            self.growth_tracker = 0;
            self.skipped_steps += 1;
            return;
        }
        self.growth_tracker += 1;
        if self.growth_tracker == self.growth_interval {
            let larger = (self.scale * self.growth_factor) as f32;
            if larger.is_finite() {
                self.scale = f64::from(larger);
            }
            self.growth_tracker = 0;
        }
    }

    /// The factor that takes the scale out of gradients.
    pub(crate) fn unscale(&self) -> f64 {
        1.0 / self.scale
    }

    /// True if the scale is too small to go on.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.scale < SMALLEST
    }

    /// These rules with the state of an earlier part of the run.
    pub(crate) fn resumed(self, earlier: &Self) -> Self {
        let Self { scale, growth_tracker, skipped_steps, .. } = *earlier;
        Self { scale, growth_tracker, skipped_steps, ..self }
    }

    /// Checks the rules.
    ///
    /// # Errors
    /// [`Error::GradScaler`], which names the first number that is wrong.
    pub(crate) fn validate(&self) -> Result<()> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let fits = positive(self.scale) && ((self.scale as f32).is_finite());
        for (name, value, right, expected) in [
            ("scale", self.scale, fits, "a positive number of f32"),
            (
                "growth_factor",
                self.growth_factor,
                self.growth_factor.is_finite() && self.growth_factor > 1.0,
                "a number above 1",
            ),
            (
                "backoff_factor",
                self.backoff_factor,
                positive(self.backoff_factor) && self.backoff_factor < 1.0,
                "a number above 0 and below 1",
            ),
            ("growth_interval", self.growth_interval as f64, self.growth_interval > 0, "a number of at least 1"),
        ] {
            if !right {
                return Err(Error::GradScaler { name, value, expected });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // import torch
    // scale, tracker = torch.tensor(65536.0), torch.tensor(0, dtype=torch.int32)
    // for found_inf in [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]:
    //     torch._amp_update_scale_(scale, tracker, torch.tensor(float(found_inf)), 2.0, 0.5, 3)
    //     print(scale.item(), tracker.item())
    #[test]
    fn changes_as_that_of_torch() {
        let mut scaler = GradScaler { growth_interval: 3, ..Default::default() };
        let mut found = Vec::new();
        for skipped in [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0] {
            scaler.update(skipped == 1);
            found.push((scaler.scale, scaler.growth_tracker));
        }
        let expected = [
            (32768.0, 0),
            (32768.0, 1),
            (32768.0, 2),
            (65536.0, 0),
            (32768.0, 0),
            (32768.0, 1),
            (32768.0, 2),
            (65536.0, 0),
            (65536.0, 1),
            (65536.0, 2),
            (131072.0, 0),
        ];
        assert_eq!(found, expected);
        assert_eq!(scaler.skipped_steps, 2);
    }

    // scale, tracker = torch.tensor(3.0e38), torch.tensor(0, dtype=torch.int32)
    // torch._amp_update_scale_(scale, tracker, torch.tensor(0.0), 2.0, 0.5, 1): the scale stays, and the tracker is 0
    #[test]
    fn the_scale_stays_within_f32() {
        let mut scaler = GradScaler { scale: f64::from(3.0e38f32), growth_interval: 1, ..Default::default() };
        let before = scaler;
        scaler.update(false);
        assert_eq!(scaler, before);
        let mut third = GradScaler { scale: 1.0, backoff_factor: 1.0 / 3.0, ..Default::default() };
        third.update(true);
        assert_eq!(third.scale, f64::from(1.0f32 / 3.0));
    }

    #[test]
    fn a_scale_that_is_too_small_is_exhausted() {
        let mut scaler = GradScaler::default();
        let steps = (0..).find(|_| {
            scaler.update(true);
            scaler.is_exhausted()
        });
        // 2^16 to 2^-15
        assert_eq!((steps, scaler.scale), (Some(30), 2f64.powi(-15)));
    }

    #[test]
    fn rules_that_cannot_be_are_refused() {
        GradScaler::default().validate().unwrap();
        let default = GradScaler::default;
        for (scaler, message) in [
            (
                GradScaler { scale: 0.0, ..default() },
                "the `scale` of the gradient scaler is 0; a positive number of f32 is expected",
            ),
            (GradScaler { scale: 1e39, ..default() }, "the `scale` of the gradient scaler is 1"),
            (
                GradScaler { growth_factor: 1.0, ..default() },
                "the `growth_factor` of the gradient scaler is 1; a number above 1 is expected",
            ),
            (GradScaler { backoff_factor: 1.0, ..default() }, "the `backoff_factor` of the gradient scaler is 1; "),
            (
                GradScaler { backoff_factor: f64::NAN, ..default() },
                "the `backoff_factor` of the gradient scaler is NaN; ",
            ),
            (GradScaler { growth_interval: 0, ..default() }, "the `growth_interval` of the gradient scaler is 0; "),
        ] {
            let found = scaler.validate().unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
    }
}
