//! What a training run is told: Hugging Face's `TrainingArguments`, by the same names, with the same meaning and the same defaults.
//!
//! A key of `[training]` in a TOML file, a field here and an argument in Python are one word. Whatever is wrong with a value is said
//! before the run, by [`TrainingArguments::validate`].

use std::fmt::Display;
use std::path::PathBuf;

use colburn_data::Sampling;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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
    /// Steps of warmup, from a learning rate of 0.
    pub warmup_steps: usize,
    /// Warmup as a share of all steps, rounded up; counts when `warmup_steps` is 0.
    pub warmup_ratio: f64,
    /// When loss, gradient norm and learning rate are logged.
    pub logging_strategy: IntervalStrategy,
    /// Steps between two logs.
    pub logging_steps: usize,
    /// Whether step 1 is logged whatever `logging_steps` is.
    pub logging_first_step: bool,
    /// When the model is evaluated.
    pub eval_strategy: IntervalStrategy,
    /// Steps between two evaluations; `logging_steps` if not given.
    pub eval_steps: Option<usize>,
    /// Whether the model is evaluated before the first step too.
    pub eval_on_start: bool,
    /// When a checkpoint is written.
    pub save_strategy: SaveStrategy,
    /// Steps between two checkpoints.
    pub save_steps: usize,
    /// Number of checkpoints to keep: the oldest go. All are kept if not given.
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
            warmup_steps: 0,
            warmup_ratio: 0.0,
            logging_strategy: IntervalStrategy::Steps,
            logging_steps: 500,
            logging_first_step: false,
            eval_strategy: IntervalStrategy::No,
            eval_steps: None,
            eval_on_start: false,
            save_strategy: SaveStrategy::Steps,
            save_steps: 500,
            save_total_limit: None,
            seed: 42,
            dataloader_drop_last: false,
            train_sampling_strategy: Sampling::Random,
            device: None,
        }
    }
}

impl TrainingArguments {
    /// Looks for values that cannot be, before any work is done.
    ///
    /// # Errors
    /// [`Error::Argument`], naming the first argument that is wrong, its value, and what would be right.
    pub fn validate(&self) -> Result<()> {
        let at_least_one = "a whole number of at least 1 is expected";
        let not_negative = "a finite number of at least 0 is expected";
        let beta = "a number from 0 to below 1 is expected";
        let share = "a share from 0 to 1 is expected";

        check(
            "output_dir",
            self.output_dir.display(),
            !self.output_dir.as_os_str().is_empty(),
            "a folder is expected",
        )?;
        check(
            "max_steps",
            self.max_steps,
            self.max_steps == -1 || self.max_steps > 0,
            "-1 or a number of at least 1 is expected",
        )?;
        let epochs = self.num_train_epochs.is_finite() && self.num_train_epochs > 0.0;
        check(
            "num_train_epochs",
            self.num_train_epochs,
            epochs || self.max_steps > 0,
            "a finite number above 0 is expected",
        )?;
        for (key, value) in [
            ("per_device_train_batch_size", self.per_device_train_batch_size),
            ("per_device_eval_batch_size", self.per_device_eval_batch_size),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps),
            ("logging_steps", self.logging_steps),
            ("eval_steps", self.eval_steps()),
            ("save_steps", self.save_steps),
        ] {
            check(key, value, value >= 1, at_least_one)?;
        }
        for (key, value) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("adam_epsilon", self.adam_epsilon),
            ("max_grad_norm", self.max_grad_norm),
        ] {
            check(key, value, value.is_finite() && value >= 0.0, not_negative)?;
        }
        for (key, value) in [("adam_beta1", self.adam_beta1), ("adam_beta2", self.adam_beta2)] {
            check(key, value, (0.0..1.0).contains(&value), beta)?;
        }
        check("warmup_ratio", self.warmup_ratio, (0.0..=1.0).contains(&self.warmup_ratio), share)?;
        let limit = self.save_total_limit.unwrap_or(1);
        check(
            "save_total_limit",
            limit,
            limit >= 1,
            "a whole number of at least 1 is expected; leave it out to keep all checkpoints",
        )
    }

    /// Steps between two evaluations.
    pub fn eval_steps(&self) -> usize {
        self.eval_steps.unwrap_or(self.logging_steps)
    }

    /// Number of warmup steps of a run of `max_steps` steps.
    pub fn warmup(&self, max_steps: usize) -> usize {
        match self.warmup_steps {
            0 => (max_steps as f64 * self.warmup_ratio).ceil() as usize,
            steps => steps,
        }
    }
}

fn check(key: &'static str, value: impl Display, right: bool, expected: &'static str) -> Result<()> {
    match right {
        true => Ok(()),
        false => Err(Error::Argument { key, value: value.to_string(), expected }),
    }
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

    #[test]
    fn a_wrong_value_is_named() {
        let wrong: [(&str, TrainingArguments); 14] = [
            ("output_dir", TrainingArguments { output_dir: "".into(), ..Default::default() }),
            ("max_steps", TrainingArguments { max_steps: 0, ..Default::default() }),
            ("num_train_epochs", TrainingArguments { num_train_epochs: 0.0, ..Default::default() }),
            ("per_device_train_batch_size", TrainingArguments { per_device_train_batch_size: 0, ..Default::default() }),
            ("per_device_eval_batch_size", TrainingArguments { per_device_eval_batch_size: 0, ..Default::default() }),
            ("gradient_accumulation_steps", TrainingArguments { gradient_accumulation_steps: 0, ..Default::default() }),
            ("logging_steps", TrainingArguments { logging_steps: 0, ..Default::default() }),
            ("eval_steps", TrainingArguments { eval_steps: Some(0), ..Default::default() }),
            ("learning_rate", TrainingArguments { learning_rate: f64::NAN, ..Default::default() }),
            ("adam_epsilon", TrainingArguments { adam_epsilon: -1.0, ..Default::default() }),
            ("adam_beta2", TrainingArguments { adam_beta2: 1.0, ..Default::default() }),
            ("warmup_ratio", TrainingArguments { warmup_ratio: 1.5, ..Default::default() }),
            ("max_grad_norm", TrainingArguments { max_grad_norm: -0.5, ..Default::default() }),
            ("save_total_limit", TrainingArguments { save_total_limit: Some(0), ..Default::default() }),
        ];
        for (key, args) in wrong {
            let message = args.validate().unwrap_err().to_string();
            assert!(message.starts_with(&format!("training argument `{key}` is ")), "{message}");
        }
        TrainingArguments { num_train_epochs: 0.0, max_steps: 5, ..Default::default() }.validate().unwrap();
    }

    #[test]
    fn warmup_is_counted_in_steps_or_as_a_share() {
        assert_eq!(TrainingArguments { warmup_steps: 7, warmup_ratio: 0.5, ..Default::default() }.warmup(100), 7);
        assert_eq!(TrainingArguments { warmup_ratio: 0.1, ..Default::default() }.warmup(25), 3);
    }
}
