//! Which checkpoint is the best one, by one of the metrics (`metric_for_best_model`).

use crate::{Error, Result, TrainerState};

/// Notes the metric of an evaluation, and says whether it is better than all before; the first one is, unless it is no number or as bad as
/// can be.
///
/// # Errors
/// When there is no metric of this name.
pub(crate) fn note(
    state: &mut TrainerState,
    metric: &str,
    greater_is_better: bool,
    metrics: &[(String, f64)],
) -> Result<bool> {
    let Some((_, value)) = metrics.iter().find(|(name, _)| name == metric) else {
        let known = metrics.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::UnknownMetric { metric: metric.to_owned(), known });
    };
    let worst = if greater_is_better { f64::NEG_INFINITY } else { f64::INFINITY };
    let best = state.best_metric.unwrap_or(worst);
    let better = if greater_is_better { *value > best } else { *value < best };
    if better {
        state.best_metric = Some(*value);
        state.best_global_step = Some(state.global_step);
    }
    Ok(better)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TrainingArguments, plan::Plan};

    fn noted(greater: bool, values: &[f64]) -> (Vec<bool>, TrainerState) {
        let args = TrainingArguments::default();
        let mut state = TrainerState::new(&args, &Plan::new(&args, 7));
        let better = values.iter().map(|&value| {
            state.global_step += 1;
            note(&mut state, "eval_m", greater, &[("eval_m".to_owned(), value)]).unwrap()
        });
        (better.collect(), state)
    }

    #[test]
    fn better_is_strictly_better() {
        let (better, state) = noted(true, &[f64::NAN, 1.0, 1.0, 2.0, f64::NAN, 0.0]);
        assert_eq!(better, [false, true, false, true, false, false]);
        assert_eq!((state.best_metric, state.best_global_step), (Some(2.0), Some(4)));
        let (better, state) = noted(false, &[1.0, 2.0, 0.5]);
        assert_eq!(better, [true, false, true]);
        assert_eq!((state.best_metric, state.best_global_step), (Some(0.5), Some(3)));
    }

    #[test]
    fn an_unknown_metric_lists_the_known() {
        let args = TrainingArguments::default();
        let mut state = TrainerState::new(&args, &Plan::new(&args, 7));
        let message = note(&mut state, "eval_f1", true, &[("eval_loss".to_owned(), 1.0)]).unwrap_err().to_string();
        assert!(message.contains("eval_f1") && message.contains("eval_loss"), "{message}");
    }
}
