//! The arguments whose value is a name.

use serde::{Deserialize, Serialize};

/// The interval of logs and evaluations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalStrategy {
    /// Never.
    No,
    /// Every `logging_steps` or `eval_steps` optimizer steps.
    #[default]
    Steps,
    /// At the end of each epoch.
    Epoch,
}

/// The interval of checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveStrategy {
    /// Never; only the final model is saved.
    No,
    /// Every `save_steps` optimizer steps, and after the last one.
    #[default]
    Steps,
    /// At the end of each epoch.
    Epoch,
    /// After each evaluation that is better than all before, by `metric_for_best_model`.
    Best,
}

/// The form of the schedule of the learning rate; see [`Schedule`](crate::Schedule) and, for the details,
/// [`ScheduleCurve`](crate::ScheduleCurve).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    /// Up in a line during the warmup, then down in a line to 0 at the last step.
    #[default]
    Linear,
    /// Up in a line during the warmup, then down to 0 along half a cosine.
    Cosine,
    /// Up in a line during the warmup, then down to 0 along half a cosine, several times.
    CosineWithRestarts,
    /// Up in a line during the warmup, then down to `lr_end` along a power of what is left.
    Polynomial,
    /// The same at every step; warmup is ignored.
    Constant,
    /// Up in a line during the warmup, then constant.
    ConstantWithWarmup,
    /// Up in a line during the warmup, then down as the inverse square root of the step.
    InverseSqrt,
    /// Up during the warmup, constant, then down during the last `num_decay_steps`.
    WarmupStableDecay,
}

impl SchedulerType {
    /// Its name as an argument.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Cosine => "cosine",
            Self::CosineWithRestarts => "cosine_with_restarts",
            Self::Polynomial => "polynomial",
            Self::Constant => "constant",
            Self::ConstantWithWarmup => "constant_with_warmup",
            Self::InverseSqrt => "inverse_sqrt",
            Self::WarmupStableDecay => "warmup_stable_decay",
        }
    }
}

/// The level of the messages on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Everything, with files and lines.
    Detail,
    /// Details for debugging.
    Debug,
    /// Progress.
    Info,
    /// Warnings.
    Warning,
    /// Errors.
    Error,
    /// Errors that end the program; here the same as `error`.
    Critical,
    /// The level of the environment variable `RUST_LOG`.
    #[default]
    Passive,
}

impl LogLevel {
    /// The directives of a filter of tracing-subscriber, as `RUST_LOG` would hold them; none for `passive`.
    ///
    /// ```
    /// use colburn_train::LogLevel;
    ///
    /// assert_eq!(LogLevel::Warning.tracing_filter(), Some("warn"));
    /// assert_eq!(LogLevel::Passive.tracing_filter(), None);
    /// ```
    pub fn tracing_filter(self) -> Option<&'static str> {
        match self {
            // Messages of the libraries below at these levels are only of use to their authors.
            Self::Detail => Some("warn,colburn=trace"),
            Self::Debug => Some("warn,colburn=debug"),
            Self::Info => Some("warn,colburn=info"),
            Self::Warning => Some("warn"),
            Self::Error | Self::Critical => Some("error"),
            Self::Passive => None,
        }
    }
}

/// The optimizer of a run; see [`Optimizer`](crate::Optimizer) for your own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerName {
    /// AdamW as PyTorch computes it, [`AdamW`](crate::AdamW).
    #[default]
    #[serde(alias = "adamw_torch_fused")]
    AdamwTorch,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hugging_face() {
        // [member.value for member in transformers.SchedulerType], without those that follow a metric or have a least rate
        for name in [
            "linear",
            "cosine",
            "cosine_with_restarts",
            "polynomial",
            "constant",
            "constant_with_warmup",
            "inverse_sqrt",
            "warmup_stable_decay",
        ] {
            let parsed: SchedulerType = serde_json::from_value(name.into()).unwrap();
            assert_eq!(parsed.name(), name);
        }
        // transformers.training_args.trainer_log_levels
        for name in ["detail", "debug", "info", "warning", "error", "critical", "passive"] {
            serde_json::from_value::<LogLevel>(name.into()).unwrap();
        }
        // two of transformers.training_args.OptimizerNames, which compute the same
        for name in ["adamw_torch", "adamw_torch_fused"] {
            assert_eq!(serde_json::from_value::<OptimizerName>(name.into()).unwrap(), OptimizerName::AdamwTorch);
        }
        assert_eq!(serde_json::to_value(OptimizerName::AdamwTorch).unwrap(), "adamw_torch");
        let message = serde_json::from_value::<OptimizerName>("adafactor".into()).unwrap_err().to_string();
        assert!(message.contains("unknown variant `adafactor`, expected `adamw_torch`"), "{message}");
    }
}
