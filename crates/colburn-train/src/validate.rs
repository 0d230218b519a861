//! The values that training arguments cannot have: each is found before the run, and named with what would be right.

use std::fmt::Display;

use crate::{Curve, Error, Result, TrainingArguments, learning_rates};

impl TrainingArguments {
    /// Looks for values that cannot be, alone or together, before any work is done.
    ///
    /// # Errors
    /// [`Error::Argument`], naming the first argument that is wrong, its value, and what would be right.
    pub fn validate(&self) -> Result<()> {
        self.validate_counts()?;
        self.validate_intervals()?;
        self.validate_rates()?;
        learning_rates::compile(self)?;
        Curve::new(self)?;
        self.reporters()?;
        self.validate_together()
    }

    fn validate_counts(&self) -> Result<()> {
        let at_least_one = "a whole number of at least 1 is expected";
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
            ("per_device_train_batch_size", Some(self.per_device_train_batch_size)),
            ("per_device_eval_batch_size", Some(self.per_device_eval_batch_size)),
            ("gradient_accumulation_steps", Some(self.gradient_accumulation_steps)),
            ("mini_batch_size", self.mini_batch_size),
            ("torch_empty_cache_steps", self.torch_empty_cache_steps),
            ("eval_accumulation_steps", self.eval_accumulation_steps),
        ] {
            let value = value.unwrap_or(1);
            check(key, value, value >= 1, at_least_one)?;
        }
        let limit = self.save_total_limit.unwrap_or(1);
        check(
            "save_total_limit",
            limit,
            limit >= 1,
            "a whole number of at least 1 is expected; leave it out to keep all checkpoints",
        )
    }

    fn validate_intervals(&self) -> Result<()> {
        let interval = "a whole number of at least 1, or a share of all steps above 0 and below 1, is expected";
        for (key, value) in [
            ("logging_steps", self.logging_steps),
            ("eval_steps", self.eval_steps.unwrap_or(self.logging_steps)),
            ("save_steps", self.save_steps),
        ] {
            let whole = value.is_finite() && value >= 1.0 && value.fract() == 0.0;
            check(key, value, whole || (value > 0.0 && value < 1.0), interval)?;
        }
        Ok(())
    }

    fn validate_rates(&self) -> Result<()> {
        let not_negative = "a finite number of at least 0 is expected";
        let beta = "a number from 0 to below 1 is expected";
        let share = "a share from 0 to below 1 is expected; a number of steps goes into `warmup_steps`";
        for (key, value) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("adam_epsilon", self.adam_epsilon),
            ("max_grad_norm", self.max_grad_norm),
            ("warmup_steps", self.warmup_steps),
            ("eval_delay", self.eval_delay),
        ] {
            check(key, value, value.is_finite() && value >= 0.0, not_negative)?;
        }
        for (key, value) in [("adam_beta1", self.adam_beta1), ("adam_beta2", self.adam_beta2)] {
            check(key, value, (0.0..1.0).contains(&value), beta)?;
        }
        let ratio = self.warmup_ratio.unwrap_or(0.0);
        check("warmup_ratio", ratio, (0.0..1.0).contains(&ratio), share)
    }
}

pub(crate) fn check(key: &'static str, value: impl Display, right: bool, expected: &'static str) -> Result<()> {
    match right {
        true => Ok(()),
        false => Err(Error::Argument { key, value: value.to_string(), expected: expected.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_value_is_named() {
        let wrong: [(&str, TrainingArguments); 24] = [
            ("output_dir", TrainingArguments { output_dir: "".into(), ..Default::default() }),
            ("max_steps", TrainingArguments { max_steps: 0, ..Default::default() }),
            ("num_train_epochs", TrainingArguments { num_train_epochs: 0.0, ..Default::default() }),
            ("per_device_train_batch_size", TrainingArguments { per_device_train_batch_size: 0, ..Default::default() }),
            ("per_device_eval_batch_size", TrainingArguments { per_device_eval_batch_size: 0, ..Default::default() }),
            ("gradient_accumulation_steps", TrainingArguments { gradient_accumulation_steps: 0, ..Default::default() }),
            ("mini_batch_size", TrainingArguments { mini_batch_size: Some(0), ..Default::default() }),
            ("torch_empty_cache_steps", TrainingArguments { torch_empty_cache_steps: Some(0), ..Default::default() }),
            ("eval_accumulation_steps", TrainingArguments { eval_accumulation_steps: Some(0), ..Default::default() }),
            ("logging_steps", TrainingArguments { logging_steps: 0.0, ..Default::default() }),
            ("logging_steps", TrainingArguments { logging_steps: 1.5, ..Default::default() }),
            ("eval_steps", TrainingArguments { eval_steps: Some(0.0), ..Default::default() }),
            ("save_steps", TrainingArguments { save_steps: f64::INFINITY, ..Default::default() }),
            ("learning_rate", TrainingArguments { learning_rate: f64::NAN, ..Default::default() }),
            ("adam_epsilon", TrainingArguments { adam_epsilon: -1.0, ..Default::default() }),
            ("adam_beta2", TrainingArguments { adam_beta2: 1.0, ..Default::default() }),
            ("warmup_steps", TrainingArguments { warmup_steps: -1.0, ..Default::default() }),
            ("warmup_ratio", TrainingArguments { warmup_ratio: Some(1.0), ..Default::default() }),
            ("max_grad_norm", TrainingArguments { max_grad_norm: -0.5, ..Default::default() }),
            ("eval_delay", TrainingArguments { eval_delay: -1.0, ..Default::default() }),
            ("save_total_limit", TrainingArguments { save_total_limit: Some(0), ..Default::default() }),
            ("report_to", TrainingArguments { report_to: "tensorbord".into(), ..Default::default() }),
            (
                "learning_rate_mapping",
                TrainingArguments { learning_rate_mapping: [("[".to_owned(), 1e-5)].into(), ..Default::default() },
            ),
            (
                "lr_scheduler_kwargs",
                TrainingArguments {
                    lr_scheduler_kwargs: [("power".to_owned(), 2.into())].into(),
                    ..Default::default()
                },
            ),
        ];
        for (key, args) in wrong {
            let message = args.validate().unwrap_err().to_string();
            assert!(message.starts_with(&format!("training argument `{key}` is ")), "{message}");
            assert!(!message.contains('\n'), "{message}");
        }
        TrainingArguments { num_train_epochs: 0.0, max_steps: 5, ..Default::default() }.validate().unwrap();
        let shares =
            TrainingArguments { logging_steps: 0.1, eval_steps: Some(0.25), save_steps: 0.5, ..Default::default() };
        shares.validate().unwrap();
    }
}
