//! The curves of the learning rate: transformers' `get_*_schedule` functions, with their arguments and defaults.
//!
//! Source: `transformers/optimization.py`.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A curve with all that it takes; [`Curve::new`] reads it from the arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "lr_scheduler_type", rename_all = "snake_case")]
pub enum Curve {
    /// Down in a line to 0 at the last step.
    Linear,
    /// Down along a cosine.
    Cosine {
        /// Number of waves; 0.5, the default, goes down to 0 once.
        num_cycles: f64,
    },
    /// Down to 0 along half a cosine, several times.
    CosineWithRestarts {
        /// How often; 1 by default.
        num_cycles: f64,
    },
    /// Down along a power of the share of steps that is left.
    Polynomial {
        /// The learning rate at the end, below `learning_rate`; 1e-7 by default.
        lr_end: f64,
        /// The power; 1 by default.
        power: f64,
    },
    /// The same at every step, without warmup.
    Constant,
    /// The same at every step after the warmup.
    ConstantWithWarmup,
    /// Down as the inverse square root of the step.
    InverseSqrt {
        /// Steps after the warmup in which the rate falls to 1/√2; by default as many as the warmup has, 10,000 without one. (transformers'
        /// `get_scheduler` does not hand this argument on; here it has its effect.)
        timescale: Option<f64>,
    },
    /// Constant, then down.
    WarmupStableDecay {
        /// Steps of the way down; has to be given.
        num_decay_steps: usize,
        /// Steps before it at the highest rate; by default all that warmup and decay leave. After the decay the rate stays at its least.
        num_stable_steps: Option<usize>,
        /// How the warmup goes up; `linear` by default.
        warmup_type: Slope,
        /// How it goes down; `cosine` by default.
        decay_type: Slope,
        /// The least rate, where the warmup begins and the decay ends, as a share of `learning_rate`; 0 by default.
        min_lr_ratio: f64,
        /// Number of waves of a cosine on the way down; 0.5 by default.
        num_cycles: f64,
    },
}

/// The form of a way up or down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slope {
    /// A line.
    #[serde(rename = "linear")]
    Linear,
    /// Half a cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// 1 − √x.
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

impl Curve {
    /// The learning rate of a step, its highest value being `highest`; `warmup` and `all` are numbers of steps.
    pub(crate) fn rate(&self, step: usize, highest: f64, warmup: usize, all: usize) -> f64 {
        let in_warmup = step < warmup;
        let up = step as f64 / (warmup as f64).max(1.0);
        let after_warmup = (all as f64 - warmup as f64).max(1.0);
        let progress = (step as f64 - warmup as f64) / after_warmup;
        let factor = match *self {
            Self::Constant => 1.0,
            Self::WarmupStableDecay {
                num_decay_steps,
                num_stable_steps,
                warmup_type,
                decay_type,
                min_lr_ratio,
                num_cycles,
            } => {
                let stable = num_stable_steps.unwrap_or_else(|| all.saturating_sub(warmup + num_decay_steps));
                let decay = warmup + stable;
                let factor = if in_warmup {
                    warmup_type.up(up)
                } else if step < decay {
                    1.0
                } else if step < decay + num_decay_steps {
                    decay_type.down((step - decay) as f64 / num_decay_steps as f64, num_cycles)
                } else {
                    0.0
                };
                (factor * (1.0 - min_lr_ratio) + min_lr_ratio).max(0.0)
            }
            _ if in_warmup => up,
            Self::ConstantWithWarmup => 1.0,
            Self::Linear => ((all as f64 - step as f64) / after_warmup).max(0.0),
            Self::Cosine { num_cycles } => wave(num_cycles, progress).max(0.0),
            Self::CosineWithRestarts { .. } if progress >= 1.0 => 0.0,
            Self::CosineWithRestarts { num_cycles } => wave(0.5, (num_cycles * progress) % 1.0).max(0.0),
            Self::Polynomial { lr_end, .. } if step >= all => return lr_end,
            Self::Polynomial { lr_end, power } => return (highest - lr_end) * (1.0 - progress).powf(power) + lr_end,
            Self::InverseSqrt { timescale } => {
                let timescale = timescale.unwrap_or(if warmup == 0 { 10_000.0 } else { warmup as f64 });
                1.0 / ((step as f64 + (timescale - warmup as f64)) / timescale).sqrt()
            }
        };
        highest * factor
    }
}

impl Slope {
    fn up(self, progress: f64) -> f64 {
        match self {
            Self::Linear => progress,
            Self::Cosine => 0.5 * (1.0 - (PI * progress).cos()),
            Self::OneMinusSqrt => 1.0 - (1.0 - progress).sqrt(),
        }
    }

    fn down(self, progress: f64, num_cycles: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - progress,
            Self::Cosine => wave(num_cycles, progress),
            Self::OneMinusSqrt => 1.0 - progress.sqrt(),
        }
    }
}

/// From 1 to 0 in half a cycle.
fn wave(num_cycles: f64, progress: f64) -> f64 {
    0.5 * (1.0 + (PI * num_cycles * 2.0 * progress).cos())
}
