//! Early stopping: a run that does not improve any more ends.
//!
//! Source: transformers' `EarlyStoppingCallback`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Callback, CallbackContext, TrainerControl};
use crate::{Error, IntervalStrategy, Result};

/// Ends the run when `metric_for_best_model` was not better than its best value in a number of consecutive evaluations.
///
/// It needs a metric, by `metric_for_best_model` or `load_best_model_at_end`, and evaluations. Its counter is part of every checkpoint.
///
/// ```
/// use colburn_train::{Callback, EarlyStoppingCallback};
///
/// let callback = EarlyStoppingCallback::new(3).threshold(0.001);
/// assert_eq!(callback.state().unwrap()["args"]["early_stopping_patience"], 3);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStoppingCallback {
    early_stopping_patience: usize,
    early_stopping_threshold: f64,
    #[serde(skip)]
    early_stopping_patience_counter: usize,
}

impl Default for EarlyStoppingCallback {
    fn default() -> Self {
        Self::new(1)
    }
}

impl EarlyStoppingCallback {
    /// Ends the run after this many consecutive evaluations, at least 1, that were not better than the best one. transformers' default is 1.
    pub fn new(early_stopping_patience: usize) -> Self {
        Self { early_stopping_patience, early_stopping_threshold: 0.0, early_stopping_patience_counter: 0 }
    }

    /// The smallest difference that counts as better; 0 by default.
    #[must_use]
    pub fn threshold(mut self, early_stopping_threshold: f64) -> Self {
        self.early_stopping_threshold = early_stopping_threshold;
        self
    }

    fn is_better(&self, context: CallbackContext<'_>, value: f64) -> bool {
        let Some(best) = context.state.best_metric else { return true };
        let better = if context.args.greater_is_better() { value > best } else { value < best };
        better && (value - best).abs() > self.early_stopping_threshold
    }
}

impl Callback for EarlyStoppingCallback {
    fn name(&self) -> String {
        "EarlyStoppingCallback".to_owned()
    }

    fn on_train_begin(&mut self, context: CallbackContext<'_>, _: &mut TrainerControl) -> Result<()> {
        let wrong = |key: &'static str, value: String, expected: &'static str| {
            Err(Error::Argument { key, value, expected: expected.into() })
        };
        if self.early_stopping_patience == 0 {
            return wrong("early_stopping_patience", "0".to_owned(), "a whole number of at least 1 is expected");
        }
        let threshold = self.early_stopping_threshold;
        if !(threshold.is_finite() && threshold >= 0.0) {
            let expected = "a finite number of at least 0 is expected";
            return wrong("early_stopping_threshold", threshold.to_string(), expected);
        }
        if context.args.metric_for_best_model().is_none() {
            let expected = "early stopping needs the name of a metric, such as \"loss\", or `load_best_model_at_end`";
            return wrong("metric_for_best_model", "not given".to_owned(), expected);
        }
        if context.args.eval_strategy == IntervalStrategy::No {
            return wrong("eval_strategy", "\"no\"".to_owned(), "early stopping needs \"steps\" or \"epoch\"");
        }
        if !context.args.load_best_model_at_end {
            tracing::warn!(
                "early stopping without `load_best_model_at_end`: the run will end with its last model, not its best one"
            );
        }
        Ok(())
    }

    fn on_evaluate(
        &mut self,
        context: CallbackContext<'_>,
        control: &mut TrainerControl,
        metrics: &[(String, f64)],
    ) -> Result<()> {
        let Some(name) = context.args.metric_for_best_model() else { return Ok(()) };
        let Some((_, value)) = metrics.iter().find(|(metric, _)| *metric == name) else {
            let known = metrics.iter().map(|(metric, _)| metric.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownMetric { metric: name, known });
        };
        match self.is_better(context, *value) {
            true => self.early_stopping_patience_counter = 0,
            false => self.early_stopping_patience_counter += 1,
        }
        control.should_training_stop |= self.early_stopping_patience_counter >= self.early_stopping_patience;
        Ok(())
    }

    fn state(&self) -> Option<Value> {
        Some(json!({
            "args": {
                "early_stopping_patience": self.early_stopping_patience,
                "early_stopping_threshold": self.early_stopping_threshold,
            },
            "attributes": {"early_stopping_patience_counter": self.early_stopping_patience_counter},
        }))
    }

    /// Restores the counter. Patience and threshold stay as they are: a run may be resumed with others.
    fn load_state(&mut self, state: &Value) -> Result<()> {
        let counter = state["attributes"]["early_stopping_patience_counter"].as_u64();
        let counter = counter.and_then(|counter| usize::try_from(counter).ok()).ok_or_else(|| {
            let message = "there is no number `early_stopping_patience_counter` in `attributes`".to_owned();
            Error::CallbackState { name: self.name(), message }
        })?;
        self.early_stopping_patience_counter = counter;
        Ok(())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use colburn_model::ColBert;
    use colburn_report::{RunLimits, TrainerState};

    use crate::TrainingArguments;

    fn tiny() -> ColBert {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/tiny-colbert");
        ColBert::from_pretrained(fixture, &Device::flex()).unwrap()
    }

    fn args(metric: &str) -> TrainingArguments {
        TrainingArguments {
            metric_for_best_model: Some(metric.to_owned()),
            eval_strategy: IntervalStrategy::Steps,
            load_best_model_at_end: true,
            ..Default::default()
        }
    }

    /// The answer after each evaluation, true to stop; the trainer keeps the best value afterwards, as transformers' does.
    fn stops(callback: &mut EarlyStoppingCallback, args: &TrainingArguments, values: &[f64]) -> Vec<bool> {
        let mut state = TrainerState::new(RunLimits::default());
        let (mut stops, model) = (Vec::new(), tiny());
        for &value in values {
            let mut control = TrainerControl::default();
            let metrics = [("eval_runtime".to_owned(), 1.0), (args.metric_for_best_model().unwrap(), value)];
            callback
                .on_evaluate(CallbackContext { args, state: &state, model: &model }, &mut control, &metrics)
                .unwrap();
            stops.push(control.should_training_stop);
            let best = state.best_metric.unwrap_or(value);
            state.best_metric = Some(if args.greater_is_better() { best.max(value) } else { best.min(value) });
        }
        stops
    }

    // callback = EarlyStoppingCallback(patience, threshold); state = TrainerState(); args = TrainingArguments(metric_for_best_model=…)
    // for value in values:
    //     control = TrainerControl(); callback.on_evaluate(args, state, control, {args.metric_for_best_model: value})
    //     state.best_metric = value if state.best_metric is None else best(value, state.best_metric)
    //     print(control.should_training_stop)
    #[test]
    fn equals_transformers() {
        let loss = [1.0, 0.9, 0.95, 0.92, 0.85, 0.86, 0.849, 0.9];
        let (no, yes) = (false, true);
        let patience = |patience: usize, threshold: f64| {
            stops(&mut EarlyStoppingCallback::new(patience).threshold(threshold), &args("loss"), &loss)
        };
        assert_eq!(patience(1, 0.0), [no, no, yes, yes, no, yes, no, yes]);
        assert_eq!(patience(2, 0.0), [no, no, no, yes, no, no, no, no]);
        assert_eq!(patience(2, 0.06), [no, no, no, yes, yes, yes, yes, yes]);
        let accuracy = stops(&mut EarlyStoppingCallback::new(2), &args("accuracy"), &[0.5, 0.5, 0.6, f64::NAN, 0.5]);
        assert_eq!(accuracy, [no, no, no, no, yes]);
    }

    #[test]
    fn the_counter_survives_a_restart() {
        let mut callback = EarlyStoppingCallback::new(3);
        stops(&mut callback, &args("loss"), &[1.0, 2.0, 3.0]);
        let state = callback.state().unwrap();
        // EarlyStoppingCallback(early_stopping_patience=3).state(), after two evaluations that were no better
        let expected = json!({"args": {"early_stopping_patience": 3, "early_stopping_threshold": 0.0},
            "attributes": {"early_stopping_patience_counter": 2}});
        assert_eq!(state, expected);
        let mut again = EarlyStoppingCallback::new(3);
        again.load_state(&state).unwrap();
        assert_eq!(again, callback);
        let message = again.load_state(&json!({})).unwrap_err().to_string();
        assert!(message.contains("`EarlyStoppingCallback`") && message.contains("patience_counter"), "{message}");
    }

    #[test]
    fn missing_arguments_are_reported_before_the_run() {
        let begin = |callback: EarlyStoppingCallback, args: &TrainingArguments| {
            let state = TrainerState::new(RunLimits::default());
            let (mut callback, model) = (callback, tiny());
            callback
                .on_train_begin(CallbackContext { args, state: &state, model: &model }, &mut TrainerControl::default())
        };
        begin(EarlyStoppingCallback::default(), &args("loss")).unwrap();
        let refused =
            |callback: EarlyStoppingCallback, args: &TrainingArguments| begin(callback, args).unwrap_err().to_string();
        let never = TrainingArguments { eval_strategy: IntervalStrategy::No, ..args("loss") };
        assert!(
            refused(EarlyStoppingCallback::default(), &never).contains("`eval_strategy` is \"no\"; early stopping")
        );
        let none = TrainingArguments { eval_strategy: IntervalStrategy::Epoch, ..Default::default() };
        assert!(refused(EarlyStoppingCallback::default(), &none).contains("`metric_for_best_model` is not given; "));
        assert!(refused(EarlyStoppingCallback::new(0), &args("loss")).contains("`early_stopping_patience` is 0; "));
        let negative = EarlyStoppingCallback::default().threshold(-1.0);
        assert!(refused(negative, &args("loss")).contains("`early_stopping_threshold` is -1; "));
    }

    #[test]
    fn an_unknown_metric_is_named() {
        let args = args("accuracy");
        let state = TrainerState::new(RunLimits::default());
        let (mut callback, mut control) = (EarlyStoppingCallback::default(), TrainerControl::default());
        let metrics = [("eval_loss".to_owned(), 1.0), ("eval_runtime".to_owned(), 2.0)];
        let message = callback.on_evaluate(
            CallbackContext { args: &args, state: &state, model: &tiny() },
            &mut control,
            &metrics,
        );
        assert_eq!(
            message.unwrap_err().to_string(),
            "`metric_for_best_model` is eval_accuracy, which the evaluation does not give; it gives eval_loss, eval_runtime"
        );
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let read = |value: Value| serde_json::from_value::<EarlyStoppingCallback>(value);
        assert_eq!(read(json!({})).unwrap(), EarlyStoppingCallback::default());
        let callback = read(json!({"early_stopping_patience": 3, "early_stopping_threshold": 0.1})).unwrap();
        assert_eq!(callback, EarlyStoppingCallback::new(3).threshold(0.1));
        for unknown in ["patience", "early_stopping_patience_counter"] {
            assert!(read(json!({unknown: 1})).unwrap_err().to_string().contains("unknown field"), "{unknown}");
        }
    }
}
