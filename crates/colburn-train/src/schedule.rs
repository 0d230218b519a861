//! The learning rate at each step: a function of the step alone.
//!
//! Nothing is counted here, so a run that starts in the middle needs no replay. Step 0 is the first: it uses the factor that transformers'
//! lambda gives for 0, and that is also the rate logged with it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Curve, Error, Result, TrainingArguments};

/// The learning rate as a function of the optimizer step: a [`Schedule`], or any function of one's own.
///
/// ```
/// use colburn_train::LearningRate;
///
/// let halves = |step: usize| 1e-5 / 2f64.powi(step as i32 / 1000);
/// assert_eq!(halves.rate(2500), 2.5e-6);
/// ```
pub trait LearningRate: Send {
    /// The learning rate of a step; the first step is 0.
    fn rate(&self, step: usize) -> f64;

    /// What it is, for `scheduler.json` in a checkpoint: enough to see whether a run goes on with the schedule that it began with.
    fn describe(&self) -> Value;
}

impl<F: Fn(usize) -> f64 + Send> LearningRate for F {
    fn rate(&self, step: usize) -> f64 {
        self(step)
    }

    fn describe(&self) -> Value {
        json!({"lr_scheduler_type": "function"})
    }
}

/// A curve between its first and its last step.
///
/// ```
/// use colburn_train::{Curve, Schedule};
///
/// let schedule = Schedule { curve: Curve::Linear, learning_rate: 1.0, warmup_steps: 2, max_steps: 6 };
/// assert_eq!((0..6).map(|step| schedule.rate(step)).collect::<Vec<_>>(), [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The curve.
    #[serde(flatten)]
    pub curve: Curve,
    /// Its highest value.
    pub learning_rate: f64,
    /// Steps up to it.
    pub warmup_steps: usize,
    /// Number of all steps.
    pub max_steps: usize,
}

impl Schedule {
    /// The schedule that the arguments describe, for a run of `max_steps` steps.
    ///
    /// # Errors
    /// [`Error::Argument`] when `lr_scheduler_kwargs` does not fit the curve, or its parts do not fit into the run.
    pub fn new(args: &TrainingArguments, max_steps: usize) -> Result<Self> {
        let (curve, warmup_steps) = (Curve::new(args)?, args.warmup(max_steps));
        if let Curve::WarmupStableDecay { num_decay_steps, num_stable_steps: None, .. } = curve
            && warmup_steps + num_decay_steps > max_steps
        {
            let value = json!({"num_decay_steps": num_decay_steps}).to_string();
            let expected = format!(
                "at most {} of the {max_steps} steps are left after the warmup",
                max_steps.saturating_sub(warmup_steps)
            );
            return Err(Error::Argument { key: "lr_scheduler_kwargs", value, expected: expected.into() });
        }
        Ok(Self { curve, learning_rate: args.learning_rate, warmup_steps, max_steps })
    }

    /// The learning rate of a step; the first step is 0.
    pub fn rate(&self, step: usize) -> f64 {
        self.curve.rate(step, self.learning_rate, self.warmup_steps, self.max_steps)
    }
}

impl LearningRate for Schedule {
    fn rate(&self, step: usize) -> f64 {
        Self::rate(self, step)
    }

    fn describe(&self) -> Value {
        json!(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(lr_scheduler_type: &str, kwargs: Value, warmup_steps: f64) -> Result<Schedule> {
        let args = TrainingArguments {
            lr_scheduler_type: serde_json::from_value(lr_scheduler_type.into()).unwrap(),
            lr_scheduler_kwargs: serde_json::from_value(kwargs).unwrap(),
            learning_rate: 3e-5,
            warmup_steps,
            ..Default::default()
        };
        Schedule::new(&args, 10)
    }

    // import torch
    // from transformers import get_scheduler
    // from transformers.optimization import get_inverse_sqrt_schedule
    // for name, kwargs, warmup in …:
    //     optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-5)
    //     if name == "inverse_sqrt":  # get_scheduler drops its kwargs
    //         schedule = get_inverse_sqrt_schedule(optimizer, warmup, **kwargs)
    //     else:
    //         schedule = get_scheduler(name, optimizer, warmup, 10, scheduler_specific_kwargs=kwargs)
    //     rates = []
    //     for _ in range(12):
    //         rates.append(schedule.get_last_lr()[0]); optimizer.step(); schedule.step()
    //     print(json.dumps({"name": name, "kwargs": kwargs, "warmup": warmup, "rates": rates}))
    const GOLDEN: &str = include_str!("../tests/golden/schedules.jsonl");

    #[derive(Deserialize)]
    struct Golden {
        name: String,
        kwargs: Value,
        warmup: u8,
        rates: Vec<f64>,
    }

    #[test]
    fn equals_transformers() {
        for line in GOLDEN.lines() {
            let Golden { name, kwargs, warmup, rates } = serde_json::from_str(line).unwrap();
            let schedule = schedule(&name, kwargs.clone(), warmup.into()).unwrap();
            for (step, expected) in rates.into_iter().enumerate() {
                let rate = schedule.rate(step);
                // Two roundings of the highest rate; at the foot of a cosine the curve is no more exact than that.
                assert!((rate - expected).abs() <= 1e-20, "{name} {kwargs} at step {step}: {rate} and {expected}");
            }
        }
    }

    #[test]
    fn a_decay_has_to_fit_into_the_run() {
        assert_eq!(
            schedule("warmup_stable_decay", json!({"num_decay_steps": 8}), 3.0).unwrap_err().to_string(),
            "training argument `lr_scheduler_kwargs` is {\"num_decay_steps\":8}; at most 7 of the 10 steps are left after the warmup"
        );
        schedule("warmup_stable_decay", json!({"num_decay_steps": 8, "num_stable_steps": 0}), 3.0).unwrap();
    }

    #[test]
    fn a_schedule_survives_json_and_a_function_is_one() {
        let schedule = schedule("polynomial", json!({}), 3.0).unwrap();
        let description = schedule.describe();
        assert_eq!((&description["lr_scheduler_type"], &description["lr_end"]), (&json!("polynomial"), &json!(1e-7)));
        assert_eq!(serde_json::from_value::<Schedule>(description).unwrap(), schedule);
        let own: Box<dyn LearningRate> = Box::new(|step: usize| step as f64);
        assert_eq!((own.rate(3), own.describe()), (3.0, json!({"lr_scheduler_type": "function"})));
    }
}
