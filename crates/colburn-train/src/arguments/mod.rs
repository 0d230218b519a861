//! The arguments of a training run: Hugging Face's `TrainingArguments`, by the same names, with the same meaning and the same defaults.
//!
//! A key of `[training]` in a TOML file, a field here and an argument in Python are one word. Wrong values are found before the run, by
//! [`TrainingArguments::validate`]. Arguments without an effect here are accepted where that is harmless, and their documentation says so.

pub(crate) mod decisive;
mod defaults;
pub(crate) mod derived;
pub(crate) mod names;
pub(crate) mod prompts;
mod validate;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use colburn_data::{MultiDatasetSampling, Sampling};
use colburn_report::HubStrategy;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::names::{IntervalStrategy, LogLevel, OptimizerName, SaveStrategy, SchedulerType};
use self::prompts::RunPrompts;
use self::values::{ReportTo, ResumeFromCheckpoint};

/// The arguments of a training run. Names, meanings and defaults are Hugging Face's, and sentence-transformers' where it adds to them.
///
/// A number of steps may be a share of all steps wherever Hugging Face allows it: from 1 on it is that number, below 1 a share, rounded
/// up.
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
    /// The folder of the final model, the checkpoints and the reports.
    pub output_dir: PathBuf,
    /// No effect, as in Hugging Face's trainer: a run writes into `output_dir` even if it has files, and keeps those that it does not write itself.
    pub overwrite_output_dir: bool,
    /// True if `colburn train` trains; it does unless this is false, and then it only evaluates. [`Trainer`](crate::Trainer)
    /// ignores it. (Hugging Face's default is false, and its trainer ignores it too.)
    pub do_train: Option<bool>,
    /// True if `colburn train` evaluates after the training, or instead of it. [`Trainer`](crate::Trainer) ignores it.
    pub do_eval: bool,
    /// No effect: predictions are part of the evaluation.
    pub do_predict: bool,

    /// The number of passes over the training data; a fraction ends within an epoch. `max_steps` overrides it.
    pub num_train_epochs: f64,
    /// Number of optimizer steps; −1 leaves it to `num_train_epochs`.
    pub max_steps: i64,
    /// Rows of a training batch.
    pub per_device_train_batch_size: usize,
    /// Rows of an evaluation batch, for the loss on the eval dataset.
    pub per_device_eval_batch_size: usize,
    /// The number of batches whose gradients are averaged for one optimizer step. The last step of an epoch averages the remaining batches.
    pub gradient_accumulation_steps: usize,
    /// Texts that go through the encoder at a time while training: with it, gradients are cached, and a batch of any size trains in the
    /// memory of this many texts, with the same loss and the same gradient. Not an argument of Hugging Face's, but of PyLate's
    /// `CachedContrastive`; here it applies to every loss.
    pub mini_batch_size: Option<usize>,
    /// True if a training step that does not fit into memory is repeated with half as many texts at a time.
    pub auto_find_batch_size: bool,
    /// The number of steps between two requests that the device release the memory that it keeps in reserve. No effect on a CPU.
    pub torch_empty_cache_steps: Option<usize>,

    /// The optimizer, by name: `adamw_torch`, or its alias `adamw_torch_fused`. [`Trainer::optimizer`](crate::Trainer::optimizer) overrides it.
    pub optim: OptimizerName,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Learning rates of parameters whose name has a match of a regular expression, in place of `learning_rate`; the schedule scales all.
    /// Names are those in the safetensors files, `1_Dense.` before those of the projection. No parameter may match two. Of
    /// sentence-transformers.
    #[serde(deserialize_with = "values::or_default")]
    pub learning_rate_mapping: BTreeMap<String, f64>,
    /// The form of the schedule of the learning rate.
    pub lr_scheduler_type: SchedulerType,
    /// The settings of that form, such as `num_cycles`; see [`ScheduleCurve`](crate::ScheduleCurve).
    #[serde(deserialize_with = "values::or_default")]
    pub lr_scheduler_kwargs: BTreeMap<String, Value>,
    /// Steps of warmup, from a learning rate of 0; below 1 a share of all steps, rounded up.
    pub warmup_steps: f64,
    /// Warmup as a share of all steps, rounded up: the older name of a `warmup_steps` below 1. It overrides `warmup_steps`.
    pub warmup_ratio: Option<f64>,
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
    /// True if the products of linear layers are computed with factors rounded to f16. Everything else is f32, also the weights that are trained and
    /// saved. The loss is scaled by [`GradScaler`](crate::GradScaler): a step whose gradients overflow is skipped. GPUs alone have it.
    pub fp16: bool,
    /// True if the products of linear layers are computed with factors rounded to bf16. Everything else is f32, also the weights that are
    /// trained and saved. Evaluations compute in the same precision, unless an argument gives them their own.
    pub bf16: bool,
    /// True if evaluations compute the products of linear layers in f16, also those during a training in another precision. (Hugging Face's
    /// trainer looks at it outside of a training only, and rounds all weights.)
    pub fp16_full_eval: bool,
    /// The same in bf16.
    pub bf16_full_eval: bool,
    /// True if the products of linear layers may round factors to 10 bits of their fraction (TF32), which tensor cores of NVIDIA's GPUs from
    /// Ampere on take. Not given, as false: true f32.
    pub tf32: Option<bool>,

    /// The interval at which loss, gradient norm and learning rate are logged.
    pub logging_strategy: IntervalStrategy,
    /// Steps between two logs; below 1 a share of all steps, rounded up.
    pub logging_steps: f64,
    /// True if step 1 is logged too, whatever `logging_steps` is.
    pub logging_first_step: bool,
    /// True if a loss that is not finite is left out of the logged mean. It never changes the weights.
    pub logging_nan_inf_filter: bool,
    /// The folder of TensorBoard's event files; `runs` in `output_dir` if not given.
    pub logging_dir: Option<PathBuf>,
    /// The level of the messages of the program `colburn` on stderr; `passive` leaves it to `RUST_LOG`. The library installs no subscriber.
    pub log_level: LogLevel,
    /// No effect: there is one process.
    pub log_level_replica: LogLevel,
    /// No effect: there is one node.
    pub log_on_each_node: bool,
    /// The reporters that the logs go to, by the names of [`ReporterKind`](crate::ReporterKind): a name, a list of names, `"none"` or `"all"`. Hugging
    /// Face's default is none; here, where nothing leaves the machine, it is `logs.jsonl` and `report.html`.
    pub report_to: ReportTo,
    /// The run's name in those reports.
    pub run_name: Option<String>,

    /// The interval of evaluations.
    pub eval_strategy: IntervalStrategy,
    /// Steps between two evaluations; below 1 a share of all steps, rounded up; `logging_steps` if not given.
    pub eval_steps: Option<f64>,
    /// Steps, or epochs if that is the `eval_strategy`, before which the model is not evaluated.
    pub eval_delay: f64,
    /// True if the model is also evaluated before the first step.
    pub eval_on_start: bool,
    /// No effect: an eval dataset gives its loss and no predictions; evaluators always run, as in sentence-transformers, which sets this to true.
    pub prediction_loss_only: bool,
    /// No effect: the loss of each evaluation batch goes to the host at once.
    pub eval_accumulation_steps: Option<usize>,

    /// The interval of checkpoints.
    pub save_strategy: SaveStrategy,
    /// Steps between two checkpoints; below 1 a share of all steps, rounded up.
    pub save_steps: f64,
    /// The number of checkpoints to keep in `output_dir`: the oldest are removed, also those of an earlier run, but not the best one if
    /// `load_best_model_at_end`. All are kept if not given.
    pub save_total_limit: Option<usize>,
    /// Only safetensors are written: an error when false.
    pub save_safetensors: bool,
    /// No effect: there is one node.
    pub save_on_each_node: bool,
    /// True if the run ends with the weights of its best checkpoint instead of the last ones.
    pub load_best_model_at_end: bool,
    /// The metric that selects the best model, with or without `eval_` before it; `loss` if `load_best_model_at_end` and not given.
    pub metric_for_best_model: Option<String>,
    /// True if a greater value of that metric is better; if not given, it is true unless the metric's name ends with `loss`. So it must be
    /// given, as false, for metrics such as `kl_divergence`.
    pub greater_is_better: Option<bool>,
    /// Resumes from the last checkpoint in `output_dir` (true), or from the checkpoint in a folder (its path).
    pub resume_from_checkpoint: ResumeFromCheckpoint,

    /// Seed of the order of the data and of dropout.
    pub seed: u64,
    /// True if a last batch with fewer rows is left out, in training and in evaluation.
    pub dataloader_drop_last: bool,
    /// The order of the training data. `no_duplicates` is sentence-transformers' `batch_sampler` of that name.
    pub train_sampling_strategy: Sampling,
    /// The order of the batches of several training datasets; each batch comes from one. Of sentence-transformers.
    pub multi_dataset_batch_sampler: MultiDatasetSampling,
    /// The prompts in front of the texts, in training and in evaluation: a text, or a table of columns or of datasets. Of
    /// sentence-transformers.
    #[serde(deserialize_with = "values::or_default")]
    pub prompts: RunPrompts,

    /// True if the model is uploaded to the Hugging Face hub. The token is that of Hugging Face's tools, `HF_TOKEN` or `hf auth login`; its
    /// permission to write is checked before the first step. An upload that fails does not end the run.
    pub push_to_hub: bool,
    /// The repository, `org/name`; if not given, a repository of the owner of the token with the name of `output_dir`.
    pub hub_model_id: Option<String>,
    /// The uploads during the run.
    pub hub_strategy: HubStrategy,
    /// True if a new repository is private; the organisation's setting if not given.
    pub hub_private_repo: Option<bool>,
    /// True if a checkpoint is uploaded even if the upload of an earlier one is still running; it waits until that is done.
    pub hub_always_push: bool,
    /// The branch that uploads go to, made if it does not exist; `main` if not given.
    pub hub_revision: Option<String>,

    /// The device that the program `colburn` trains on, by name: `flex`, `ndarray`, `wgpu`, `cuda`. The library ignores it and trains on the device of
    /// the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every name that transformers 5.3 and sentence-transformers 5.3 have and that applies here, with their default, as JSON:
    //     args = SentenceTransformerTrainingArguments(output_dir="trainer_output")
    //     json.dumps({key: value for key, value in args.to_dict().items() if key in NAMES})
    // overwrite_output_dir and save_safetensors are transformers 4's: TrainingArguments(output_dir=…) of 4.57.
    const DEFAULTS: &str = r#"{"output_dir": "trainer_output", "overwrite_output_dir": false, "do_eval": false, "do_predict": false,
        "eval_strategy": "no", "eval_steps": null, "eval_delay": 0, "eval_on_start": false, "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 8, "gradient_accumulation_steps": 1, "eval_accumulation_steps": null,
        "torch_empty_cache_steps": null, "learning_rate": 5e-05, "weight_decay": 0.0, "adam_beta1": 0.9, "adam_beta2": 0.999,
        "adam_epsilon": 1e-08, "max_grad_norm": 1.0, "num_train_epochs": 3.0, "max_steps": -1, "lr_scheduler_type": "linear",
        "lr_scheduler_kwargs": null, "warmup_ratio": null, "warmup_steps": 0, "log_level": "passive", "log_level_replica": "warning",
        "log_on_each_node": true, "logging_dir": null, "logging_strategy": "steps", "logging_first_step": false, "logging_steps": 500,
        "logging_nan_inf_filter": true, "save_strategy": "steps", "save_steps": 500, "save_total_limit": null, "save_safetensors": true,
        "save_on_each_node": false, "seed": 42, "auto_find_batch_size": false, "fp16": false, "bf16": false, "fp16_full_eval": false, "bf16_full_eval": false, "tf32": null, "push_to_hub": false,
        "hub_model_id": null, "hub_strategy": "every_save", "hub_private_repo": null, "hub_always_push": false, "hub_revision": null, "load_best_model_at_end": false,
        "metric_for_best_model": null, "greater_is_better": null, "run_name": null, "dataloader_drop_last": false,
        "train_sampling_strategy": "random", "multi_dataset_batch_sampler": "proportional", "prompts": null, "learning_rate_mapping": {}, "resume_from_checkpoint": null}"#;

    /// The names that are not among them: ours, three whose defaults differ, and one that sentence-transformers overwrites with true.
    const OTHERS: [&str; 5] = ["mini_batch_size", "do_train", "optim", "report_to", "prediction_loss_only"];

    #[test]
    fn names_and_defaults_are_those_of_hugging_face() {
        let ours = TrainingArguments::default();
        assert_eq!(serde_json::from_str::<TrainingArguments>(DEFAULTS).unwrap(), ours);

        let theirs: serde_json::Map<String, Value> = serde_json::from_str(DEFAULTS).unwrap();
        let Value::Object(ours) = serde_json::to_value(&ours).unwrap() else { unreachable!() };
        let mut names: Vec<&str> = theirs.keys().map(String::as_str).chain(OTHERS).collect();
        names.sort_unstable();
        let mut found: Vec<&str> = ours.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, names);
    }

    #[test]
    fn the_book_has_every_argument_with_an_example_that_is_one() {
        let book = include_str!("../../../../docs/arguments.md");
        let rows = book.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 6);
        let cell = |row: &str, index: usize| row.split('|').nth(index).unwrap().trim().trim_matches('`').to_owned();
        let rows: BTreeMap<String, String> = rows.map(|row| (cell(row, 1), cell(row, 3))).collect();
        let Value::Object(mut names) = serde_json::to_value(TrainingArguments::default()).unwrap() else {
            unreachable!()
        };
        names.insert("device".to_owned(), Value::Null);
        assert_eq!(
            rows.keys().collect::<Vec<_>>(),
            names.keys().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        );
        for (name, example) in rows {
            let table: toml::Table = example.parse().unwrap();
            assert!(table.contains_key(&name), "{example}");
            table.try_into::<TrainingArguments>().unwrap();
        }
    }

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
    fn values_take_the_forms_that_hugging_face_takes() {
        let json = r#"{"logging_steps": 0.1, "save_steps": 20, "eval_strategy": "epoch", "save_strategy": "best", "log_level": "warning",
            "report_to": "tensorboard", "lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 3},
            "learning_rate_mapping": {"^1_Dense": 1e-4}, "resume_from_checkpoint": "output/run/checkpoint-5", "hub_strategy": "all_checkpoints",
            "greater_is_better": false, "do_train": true}"#;
        let args: TrainingArguments = serde_json::from_str(json).unwrap();
        assert_eq!((args.logging_steps, args.save_steps), (0.1, 20.0));
        assert_eq!((args.eval_strategy, args.save_strategy), (IntervalStrategy::Epoch, SaveStrategy::Best));
        assert_eq!((args.log_level, args.hub_strategy), (LogLevel::Warning, HubStrategy::AllCheckpoints));
        assert_eq!(args.lr_scheduler_kwargs["num_decay_steps"], 3);
        assert_eq!(args.learning_rate_mapping["^1_Dense"], 1e-4);
        assert_eq!(args.resume_from_checkpoint, ResumeFromCheckpoint::From("output/run/checkpoint-5".into()));
        assert_eq!((args.greater_is_better, args.do_train), (Some(false), Some(true)));
        let again = serde_json::to_string(&args).unwrap();
        assert_eq!(serde_json::from_str::<TrainingArguments>(&again).unwrap(), args);
    }
}
