//! What a training run is told: Hugging Face's `TrainingArguments`, by the same names, with the same meaning and the same defaults.
//!
//! A key of `[training]` in a TOML file, a field here and an argument in Python are one word. Whatever is wrong with a value is said
//! before the run, by [`TrainingArguments::validate`].

use std::path::PathBuf;

use colburn_data::Sampling;
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
}

/// How the learning rate changes over the steps; see [`Schedule`](crate::Schedule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerType {
    /// Up in a line during the warmup, then down in a line to 0 at the last step.
    #[default]
    Linear,
    /// Up in a line during the warmup, then down to 0 along half a cosine.
    Cosine,
    /// The same at every step; warmup is ignored.
    Constant,
    /// Up in a line during the warmup, then constant.
    ConstantWithWarmup,
}

/// How a model is trained. Names, meanings and defaults are Hugging Face's.
///
/// ```
/// use colburn_train::TrainingArguments;
///
/// let args = TrainingArguments { output_dir: "output/run".into(), num_train_epochs: 1.0, learning_rate: 3e-6, ..Default::default() };
/// assert_eq!((args.per_device_train_batch_size, args.adam_epsilon, args.max_grad_norm), (8, 1e-8, 1.0));
/// args.validate()?;
/// # Ok::<(), colburn_train::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingArguments {
    /// Where the final model, the checkpoints and the reports go.
    pub output_dir: PathBuf,
    /// How often the training data is gone through; a fraction ends within an epoch. `max_steps` overrides it.
    pub num_train_epochs: f64,
    /// Number of optimizer steps; −1 leaves it to `num_train_epochs`.
    pub max_steps: i64,
    /// Rows of a training batch.
    pub per_device_train_batch_size: usize,
    /// Rows of an evaluation batch, for the loss on the eval dataset.
    pub per_device_eval_batch_size: usize,
    /// Batches whose gradients are averaged to one optimizer step. The last step of an epoch averages what is left.
    pub gradient_accumulation_steps: usize,
    /// The highest learning rate of AdamW.
    pub learning_rate: f64,
    /// Decoupled weight decay, for all parameters but biases and LayerNorm weights.
    pub weight_decay: f64,
    /// AdamW's decay of the mean of the gradients.
    pub adam_beta1: f64,
    /// AdamW's decay of the mean of their squares.
    pub adam_beta2: f64,
    /// AdamW's guard against division by 0.
    pub adam_epsilon: f64,
    /// The global gradient norm is clipped to this; 0 means no clipping.
    pub max_grad_norm: f64,
    /// How the learning rate changes over the steps.
    pub lr_scheduler_type: SchedulerType,
    /// Steps of warmup, from a learning rate of 0; below 1 a share of all steps, rounded up.
    pub warmup_steps: f64,
    /// Warmup as a share of all steps, rounded up: the older word for a `warmup_steps` below 1. It overrides `warmup_steps`.
    pub warmup_ratio: Option<f64>,
    /// When loss, gradient norm and learning rate are logged.
    pub logging_strategy: IntervalStrategy,
    /// Steps between two logs; below 1 a share of all steps, rounded up.
    pub logging_steps: f64,
    /// Whether step 1 is logged whatever `logging_steps` is.
    pub logging_first_step: bool,
    /// When the model is evaluated.
    pub eval_strategy: IntervalStrategy,
    /// Steps between two evaluations; below 1 a share of all steps, rounded up; `logging_steps` if not given.
    pub eval_steps: Option<f64>,
    /// Whether the model is evaluated before the first step too.
    pub eval_on_start: bool,
    /// When a checkpoint is written.
    pub save_strategy: SaveStrategy,
    /// Steps between two checkpoints; below 1 a share of all steps, rounded up.
    pub save_steps: f64,
    /// Number of checkpoints to keep in `output_dir`: those written first go, also those of a run before. All are kept if not given.
    pub save_total_limit: Option<usize>,
    /// Seed of the order of the data and of dropout.
    pub seed: u64,
    /// Whether a last batch with fewer rows is left out, in training and in evaluation.
    pub dataloader_drop_last: bool,
    /// The order of the training data.
    pub train_sampling_strategy: Sampling,
    /// The device that the program `colburn` trains on, by name: `flex`, `ndarray`, `wgpu`, `cuda`. The library does not look at it: there
    /// the model comes on its device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl Default for TrainingArguments {
    fn default() -> Self {
        Self {
            output_dir: "trainer_output".into(),
            num_train_epochs: 3.0,
            max_steps: -1,
            per_device_train_batch_size: 8,
            per_device_eval_batch_size: 8,
            gradient_accumulation_steps: 1,
            learning_rate: 5e-5,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            lr_scheduler_type: SchedulerType::Linear,
            warmup_steps: 0.0,
            warmup_ratio: None,
            logging_strategy: IntervalStrategy::Steps,
            logging_steps: 500.0,
            logging_first_step: false,
            eval_strategy: IntervalStrategy::No,
            eval_steps: None,
            eval_on_start: false,
            save_strategy: SaveStrategy::Steps,
            save_steps: 500.0,
            save_total_limit: None,
            seed: 42,
            dataloader_drop_last: false,
            train_sampling_strategy: Sampling::Random,
            device: None,
        }
    }
}

impl TrainingArguments {
    /// Number of warmup steps of a run of `max_steps` steps.
    pub fn warmup(&self, max_steps: usize) -> usize {
        in_steps(self.warmup_ratio.unwrap_or(self.warmup_steps), max_steps)
    }
}

/// A number of steps as an argument gives it: from 1 on it is that number, below 1 a share of all steps, rounded up.
pub(crate) fn in_steps(given: f64, max_steps: usize) -> usize {
    if given >= 1.0 { given as usize } else { (max_steps as f64 * given).ceil() as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_right_and_survive_json() {
        let args = TrainingArguments::default();
        args.validate().unwrap();
        let json = serde_json::to_string(&args).unwrap();
        assert!(
            json.contains(r#""lr_scheduler_type":"linear""#) && json.contains(r#""train_sampling_strategy":"random""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<TrainingArguments>(&json).unwrap(), args);
        assert!(serde_json::from_str::<TrainingArguments>(r#"{"learning_rat": 1}"#).is_err());
    }

    // warmup_steps, warmup_ratio -> TrainingArguments(…).get_warmup_steps(25)
    #[test]
    fn steps_are_given_as_a_number_or_as_a_share() {
        let warmup = |warmup_steps: f64, warmup_ratio: Option<f64>| {
            TrainingArguments { warmup_steps, warmup_ratio, ..Default::default() }.warmup(25)
        };
        assert_eq!([warmup(7.0, None), warmup(7.9, None), warmup(1.0, None), warmup(0.0, None)], [7, 7, 1, 0]);
        assert_eq!([warmup(0.1, None), warmup(0.0, Some(0.1)), warmup(0.999, None)], [3, 3, 25]);
        assert_eq!([warmup(7.0, Some(0.5)), warmup(7.0, Some(0.0))], [13, 0], "the ratio overrides");
        assert_eq!([in_steps(500.0, 25), in_steps(1e-9, 25), in_steps(0.5, 25)], [500, 1, 13]);
    }
}
