//! The arguments that decide the numbers of a run, and those that do not. A resumed run warns if one of the first kind has changed.

/// The arguments that decide weights, logged numbers or the choice of the best model. A run that is resumed with another value does not end with the
/// results of an uninterrupted one.
pub(crate) const DECISIVE: &[&str] = &[
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "bf16",
    "bf16_full_eval",
    "dataloader_drop_last",
    "device",
    "eval_delay",
    "eval_steps",
    "eval_strategy",
    "fp16",
    "fp16_full_eval",
    "gradient_accumulation_steps",
    "greater_is_better",
    "learning_rate",
    "learning_rate_mapping",
    "load_best_model_at_end",
    "logging_first_step",
    "logging_nan_inf_filter",
    "logging_steps",
    "logging_strategy",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_grad_norm",
    "max_steps",
    "metric_for_best_model",
    "mini_batch_size",
    "multi_dataset_batch_sampler",
    "num_train_epochs",
    "optim",
    "per_device_eval_batch_size",
    "per_device_train_batch_size",
    "prompts",
    "save_strategy",
    "seed",
    "tf32",
    "train_sampling_strategy",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
];

/// The arguments that do not: files, reports, uploads, memory, and those without an effect.
#[cfg(test)]
const NOT_DECISIVE: &[&str] = &[
    "auto_find_batch_size",
    "do_eval",
    "do_predict",
    "do_train",
    "eval_accumulation_steps",
    "eval_on_start",
    "hub_always_push",
    "hub_model_id",
    "hub_private_repo",
    "hub_revision",
    "hub_strategy",
    "log_level",
    "log_level_replica",
    "log_on_each_node",
    "logging_dir",
    "output_dir",
    "overwrite_output_dir",
    "prediction_loss_only",
    "push_to_hub",
    "report_to",
    "resume_from_checkpoint",
    "run_name",
    "save_on_each_node",
    "save_safetensors",
    "save_steps",
    "save_total_limit",
    "torch_empty_cache_steps",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TrainingArguments;
    use serde_json::Value;

    /// A new argument must be added to one of the two lists.
    #[test]
    fn every_argument_is_in_exactly_one_list() {
        let args = TrainingArguments { device: Some("flex".to_owned()), ..Default::default() };
        let Value::Object(args) = serde_json::to_value(args).unwrap() else { unreachable!() };
        let mut names: Vec<&str> = args.keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut listed = [DECISIVE, NOT_DECISIVE].concat();
        listed.sort_unstable();
        assert_eq!(listed, names);
    }
}
