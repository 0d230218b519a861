//! The values that an argument takes by name.

use serde::{Deserialize, Serialize};

/// When something is done that is done again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalStrategy {
    /// Never.
    No,
    /// Every so many optimizer steps.
    #[default]
    Steps,
    /// At the end of each epoch.
    Epoch,
}

/// When a checkpoint is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaveStrategy {
    /// Never; the final model is saved all the same.
    No,
    /// Every `save_steps` optimizer steps, and after the last one.
    #[default]
    Steps,
    /// At the end of each epoch.
    Epoch,
    /// After each evaluation that is better than all before, by `metric_for_best_model`.
    Best,
}

/// How the learning rate changes over the steps; see [`Schedule`](crate::Schedule) and, for the details, [`Curve`](crate::Curve).
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

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Everything, with files and lines.
    Detail,
    /// What helps to find a fault.
    Debug,
    /// What goes on.
    Info,
    /// What may be wrong.
    Warning,
    /// What is wrong.
    Error,
    /// What ends the program; here the same as `error`.
    Critical,
    /// What the environment variable `RUST_LOG` says.
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
            // The libraries below say at these levels what only their authors want to know.
            Self::Detail => Some("warn,colburn=trace"),
            Self::Debug => Some("warn,colburn=debug"),
            Self::Info => Some("warn,colburn=info"),
            Self::Warning => Some("warn"),
            Self::Error | Self::Critical => Some("error"),
            Self::Passive => None,
        }
    }
}

/// What a run can report to, beside `trainer_state.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reporter {
    /// The terminal, which the trainer writes to in any case.
    Console,
    /// `logs.jsonl`, a JSON object a line.
    Jsonl,
    /// `report.html`, with curves.
    Html,
    /// TensorBoard's event files.
    Tensorboard,
    /// Weights & Biases' files of a run without a network.
    Wandb,
}

impl Reporter {
    /// All of them: what `"all"` stands for.
    pub const ALL: [Self; 5] = [Self::Console, Self::Jsonl, Self::Html, Self::Tensorboard, Self::Wandb];

    /// Its name in `report_to`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Jsonl => "jsonl",
            Self::Html => "html",
            Self::Tensorboard => "tensorboard",
            Self::Wandb => "wandb",
        }
    }
}

/// What `push_to_hub` uploads when. The final model, with the reports of the run, is uploaded in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubStrategy {
    /// The final model alone.
    End,
    /// The model of each checkpoint.
    #[default]
    EverySave,
    /// The model of each checkpoint, and the last checkpoint as a whole, in the folder `last-checkpoint` of the repository.
    Checkpoint,
    /// The model of each checkpoint, and all checkpoints as a whole, each in its folder.
    AllCheckpoints,
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
        // transformers.trainer_utils.HubStrategy
        for name in ["end", "every_save", "checkpoint", "all_checkpoints"] {
            serde_json::from_value::<HubStrategy>(name.into()).unwrap();
        }
    }
}
