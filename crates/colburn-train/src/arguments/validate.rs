//! The checks of training arguments before a run, of each alone and of those that depend on each other. The conditions on
//! `load_best_model_at_end` are those of transformers' `TrainingArguments` and `Trainer`.

use std::fmt::Display;

use super::derived::in_steps;
use crate::optim::{learning_rates, schedule::ScheduleCurve};
use crate::{Error, IntervalStrategy, Result, SaveStrategy, TrainingArguments};

impl TrainingArguments {
    /// Checks all arguments, before any work is done.
    ///
    /// # Errors
    /// [`Error::Argument`], naming the first argument that is wrong, its value, and the values that would be right.
    pub fn validate(&self) -> Result<()> {
        self.validate_counts()?;
        self.validate_intervals()?;
        self.validate_rates()?;
        learning_rates::compile(self)?;
        ScheduleCurve::new(self)?;
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

    /// Checks arguments that depend on each other, or ask for a feature that this build does not have.
    fn validate_together(&self) -> Result<()> {
        let precisions = "at most one of `fp16` and `bf16` can be true";
        check("fp16", self.fp16, !(self.fp16 && self.bf16), precisions)?;
        let precisions = "at most one of `fp16_full_eval` and `bf16_full_eval` can be true";
        check("fp16_full_eval", self.fp16_full_eval, !(self.fp16_full_eval && self.bf16_full_eval), precisions)?;
        self.validate_hub()?;
        let safetensors = "only safetensors are written; leave `save_safetensors` out";
        check("save_safetensors", self.save_safetensors, self.save_safetensors, safetensors)?;
        let metric = self.metric_for_best_model.as_deref();
        let named = "the name of a metric is expected, with or without eval_ before it";
        check("metric_for_best_model", format!("{:?}", metric.unwrap_or_default()), metric != Some(""), named)?;
        self.validate_best()
    }

    #[cfg(feature = "hub")]
    fn validate_hub(&self) -> Result<()> {
        if self.push_to_hub { self.hub_repository().map(drop) } else { Ok(()) }
    }

    #[cfg(not(feature = "hub"))]
    fn validate_hub(&self) -> Result<()> {
        let hub = "this build of colburn cannot upload; build it with the feature `hub`, or leave `push_to_hub` out";
        check("push_to_hub", self.push_to_hub, !self.push_to_hub, hub)
    }

    fn validate_best(&self) -> Result<()> {
        let evaluates = self.eval_strategy != IntervalStrategy::No;
        let evaluation = "`eval_strategy` has to be \"steps\" or \"epoch\": without evaluations there is no best model";
        if self.save_strategy == SaveStrategy::Best {
            let metric = "`metric_for_best_model` has to say which metric decides, such as \"loss\"";
            check("save_strategy", "best", self.metric_for_best_model().is_some(), metric)?;
            return check("save_strategy", "best", evaluates, evaluation);
        }
        if !self.load_best_model_at_end {
            return Ok(());
        }
        check("load_best_model_at_end", true, evaluates, evaluation)?;
        let same = match self.save_strategy {
            SaveStrategy::No | SaveStrategy::Best => false,
            SaveStrategy::Steps => self.eval_strategy == IntervalStrategy::Steps,
            SaveStrategy::Epoch => self.eval_strategy == IntervalStrategy::Epoch,
        };
        let strategies = "`save_strategy` has to be the same as `eval_strategy`, or \"best\"";
        check("load_best_model_at_end", true, same, strategies)?;
        if self.save_strategy != SaveStrategy::Steps {
            return Ok(());
        }
        let (save, eval) = (self.save_steps, self.eval_steps.unwrap_or(self.logging_steps));
        let alike = (save < 1.0) == (eval < 1.0);
        // As transformers does it, so that 0.3 is a multiple of 0.1.
        let multiple = if save < 1.0 { (save * 1e6) % (eval * 1e6) == 0.0 } else { save % eval == 0.0 };
        self.multiple_of_eval_steps(save, eval, alike && multiple)
    }

    /// Checks the intervals of evaluations and checkpoints once the number of all steps is known: shares of it are rounded up, each by itself.
    ///
    /// # Errors
    /// [`Error::Argument`] when a checkpoint would fall between two evaluations, so that no metric belongs to it.
    pub(crate) fn validate_steps(&self, max_steps: usize) -> Result<()> {
        if !self.load_best_model_at_end || self.save_strategy != SaveStrategy::Steps {
            return Ok(());
        }
        let save = in_steps(self.save_steps, max_steps);
        let eval = in_steps(self.eval_steps.unwrap_or(self.logging_steps), max_steps);
        self.multiple_of_eval_steps(save as f64, eval as f64, save.is_multiple_of(eval))
    }

    fn multiple_of_eval_steps(&self, save: f64, eval: f64, multiple: bool) -> Result<()> {
        let expected =
            || format!("with `load_best_model_at_end` a multiple of `eval_steps` is expected, which is {eval}");
        match multiple {
            true => Ok(()),
            false => Err(Error::Argument { key: "save_steps", value: save.to_string(), expected: expected().into() }),
        }
    }
}

fn check(key: &'static str, value: impl Display, right: bool, expected: &'static str) -> Result<()> {
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

    fn refused(args: TrainingArguments) -> String {
        args.validate().unwrap_err().to_string()
    }

    #[test]
    fn an_unsupported_feature_is_refused() {
        let args = TrainingArguments::default;
        assert!(TrainingArguments { bf16: true, ..args() }.validate().is_ok());
        assert!(TrainingArguments { fp16: true, bf16_full_eval: true, ..args() }.validate().is_ok());
        assert!(refused(TrainingArguments { fp16: true, bf16: true, ..args() }).contains("at most one of"));
        let both = TrainingArguments { fp16_full_eval: true, bf16_full_eval: true, ..args() };
        assert!(refused(both).ends_with("at most one of `fp16_full_eval` and `bf16_full_eval` can be true"));
        let uploading = TrainingArguments { push_to_hub: true, hub_model_id: Some("a b".to_owned()), ..args() };
        let key = if cfg!(feature = "hub") { "`hub_model_id` is \"a b\"; " } else { "`push_to_hub` is true; " };
        assert!(refused(uploading).contains(key));
        assert!(
            refused(TrainingArguments { save_safetensors: false, ..args() }).contains("`save_safetensors` is false; ")
        );
        let hub =
            TrainingArguments { hub_model_id: Some("name/model".to_owned()), hub_private_repo: Some(true), ..args() };
        hub.validate().unwrap();
    }

    fn best(eval: IntervalStrategy, save: SaveStrategy) -> TrainingArguments {
        TrainingArguments {
            load_best_model_at_end: true,
            eval_strategy: eval,
            save_strategy: save,
            ..Default::default()
        }
    }

    // The cases that TrainingArguments(…) or Trainer(…) refuses; without evaluations they leave the last model in place of the best.
    #[test]
    fn the_best_model_has_to_be_evaluated_and_saved() {
        best(IntervalStrategy::Steps, SaveStrategy::Steps).validate().unwrap();
        best(IntervalStrategy::Epoch, SaveStrategy::Epoch).validate().unwrap();
        best(IntervalStrategy::Epoch, SaveStrategy::Best).validate().unwrap();
        for (eval, save) in [
            (IntervalStrategy::No, SaveStrategy::No),
            (IntervalStrategy::No, SaveStrategy::Steps),
            (IntervalStrategy::Epoch, SaveStrategy::Steps),
            (IntervalStrategy::Steps, SaveStrategy::No),
        ] {
            let message = refused(best(eval, save));
            assert!(message.starts_with("training argument `load_best_model_at_end` is true; `"), "{message}");
        }
        let save_best = TrainingArguments {
            save_strategy: SaveStrategy::Best,
            eval_strategy: IntervalStrategy::Epoch,
            ..Default::default()
        };
        assert!(refused(save_best.clone()).contains("`metric_for_best_model` has to say which metric decides"));
        let save_best = TrainingArguments { metric_for_best_model: Some("accuracy".to_owned()), ..save_best };
        save_best.validate().unwrap();
        let never = TrainingArguments { eval_strategy: IntervalStrategy::No, ..save_best.clone() };
        assert!(refused(never).contains("without evaluations there is no best model"));
        let unnamed = TrainingArguments { metric_for_best_model: Some(String::new()), ..save_best };
        assert!(refused(unnamed).contains("`metric_for_best_model` is \"\"; "));
    }

    #[test]
    fn a_checkpoint_belongs_to_an_evaluation() {
        let steps = |save_steps: f64, eval_steps: Option<f64>| TrainingArguments {
            save_steps,
            eval_steps,
            ..best(IntervalStrategy::Steps, SaveStrategy::Steps)
        };
        for (save, eval) in [(500.0, None), (1000.0, None), (6.0, Some(3.0)), (0.3, Some(0.1)), (0.5, Some(0.25))] {
            steps(save, eval).validate().unwrap();
        }
        for (save, eval) in [(5.0, Some(3.0)), (3.0, Some(6.0)), (0.5, Some(3.0)), (500.0, Some(0.1)), (0.5, Some(0.2))]
        {
            let message = refused(steps(save, eval));
            let eval = eval.unwrap_or_default();
            let expected = format!("`save_steps` is {save}; with `load_best_model_at_end` a multiple of `eval_steps`");
            assert!(message.contains(&expected) && message.ends_with(&format!(" is {eval}")), "{message}");
        }
    }

    #[test]
    fn shares_are_rounded_before_they_are_compared() {
        let args = TrainingArguments {
            save_steps: 0.5,
            eval_steps: Some(0.25),
            ..best(IntervalStrategy::Steps, SaveStrategy::Steps)
        };
        args.validate().unwrap();
        args.validate_steps(8).unwrap();
        // evaluations every 2, checkpoints every 3 steps
        let message = args.validate_steps(6).unwrap_err().to_string();
        assert!(message.contains("`save_steps` is 3; ") && message.ends_with("which is 2"), "{message}");
        TrainingArguments { load_best_model_at_end: false, ..args }.validate_steps(6).unwrap();
    }
}
