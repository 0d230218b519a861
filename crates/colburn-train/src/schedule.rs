//! The learning rate at each step: transformers' `get_*_schedule` functions, as a function of the step alone.
//!
//! Nothing is counted here, so a run that starts in the middle needs no replay. Step 0 is the first: it uses the factor that transformers'
//! lambda gives for 0, and that is also the rate logged with it.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::SchedulerType;

/// The learning rate as a function of the optimizer step.
///
/// ```
/// use colburn_train::{Schedule, SchedulerType};
///
/// let schedule = Schedule { lr_scheduler_type: SchedulerType::Linear, learning_rate: 1.0, warmup_steps: 2, max_steps: 6 };
/// assert_eq!((0..6).map(|step| schedule.rate(step)).collect::<Vec<_>>(), [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The curve.
    pub lr_scheduler_type: SchedulerType,
    /// Its highest value.
    pub learning_rate: f64,
    /// Steps from 0 up to it.
    pub warmup_steps: usize,
    /// Number of all steps.
    pub max_steps: usize,
}

impl Schedule {
    /// The learning rate of a step; the first step is 0.
    pub fn rate(&self, step: usize) -> f64 {
        self.learning_rate * self.factor(step)
    }

    fn factor(&self, step: usize) -> f64 {
        let (step, warmup, all) = (step as f64, self.warmup_steps as f64, self.max_steps as f64);
        if self.lr_scheduler_type != SchedulerType::Constant && step < warmup {
            return step / warmup.max(1.0);
        }
        let after_warmup = (all - warmup).max(1.0);
        match self.lr_scheduler_type {
            SchedulerType::Linear => ((all - step) / after_warmup).max(0.0),
            SchedulerType::Cosine => (0.5 * (1.0 + (PI * 0.5 * 2.0 * ((step - warmup) / after_warmup)).cos())).max(0.0),
            SchedulerType::Constant | SchedulerType::ConstantWithWarmup => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // import torch
    // from transformers import get_scheduler
    // for name in ("linear", "cosine", "constant", "constant_with_warmup"):
    //     optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-5)
    //     schedule = get_scheduler(name, optimizer, num_warmup_steps=3, num_training_steps=10)
    //     rates = []
    //     for _ in range(11):
    //         rates.append(schedule.get_last_lr()[0]); optimizer.step(); schedule.step()
    //     print(name, rates)
    const GOLDEN: [(SchedulerType, [f64; 11]); 4] = [
        (
            SchedulerType::Linear,
            [
                0.0,
                9.999999999999999e-06,
                1.9999999999999998e-05,
                3e-05,
                2.5714285714285714e-05,
                2.1428571428571428e-05,
                1.7142857142857142e-05,
                1.2857142857142857e-05,
                8.571428571428571e-06,
                4.2857142857142855e-06,
                0.0,
            ],
        ),
        (
            SchedulerType::Cosine,
            [
                0.0,
                9.999999999999999e-06,
                1.9999999999999998e-05,
                3e-05,
                2.8514533018536286e-05,
                2.4352347027881003e-05,
                1.8337814009344716e-05,
                1.1662185990655285e-05,
                5.647652972118998e-06,
                1.4854669814637145e-06,
                0.0,
            ],
        ),
        (SchedulerType::Constant, [3e-05; 11]),
        (
            SchedulerType::ConstantWithWarmup,
            [
                0.0,
                9.999999999999999e-06,
                1.9999999999999998e-05,
                3e-05,
                3e-05,
                3e-05,
                3e-05,
                3e-05,
                3e-05,
                3e-05,
                3e-05,
            ],
        ),
    ];

    #[test]
    fn equals_transformers() {
        for (lr_scheduler_type, expected) in GOLDEN {
            let schedule = Schedule { lr_scheduler_type, learning_rate: 3e-5, warmup_steps: 3, max_steps: 10 };
            for (step, expected) in expected.into_iter().enumerate() {
                let rate = schedule.rate(step);
                assert!(
                    (rate - expected).abs() <= 1e-20,
                    "{lr_scheduler_type:?} at step {step}: {rate} and {expected}"
                );
            }
        }
    }
}
