//! The learning rate at each step, a function of the step alone: transformers' `get_*_schedule` functions, with their arguments and
//! defaults.
//!
//! Nothing is counted here, so that a run can start at any step. Step 0 is the first: it has the factor that transformers'
//! lambda gives for 0, and that is also the rate logged with it.
//!
//! Source: `transformers/optimization.py`.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Error, Result, SchedulerType, TrainingArguments};

/// The learning rate as a function of the optimizer step: a [`Schedule`], or any function.
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

    /// A description for `scheduler.json` in a checkpoint.
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
/// use colburn_train::{Schedule, ScheduleCurve};
///
/// let schedule = Schedule { curve: ScheduleCurve::Linear, learning_rate: 1.0, warmup_steps: 2, max_steps: 6 };
/// assert_eq!((0..6).map(|step| schedule.rate(step)).collect::<Vec<_>>(), [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The curve.
    #[serde(flatten)]
    pub curve: ScheduleCurve,
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
        let (curve, warmup_steps) = (ScheduleCurve::new(args)?, args.warmup(max_steps));
        if let ScheduleCurve::WarmupStableDecay { num_decay_steps, num_stable_steps: None, .. } = curve
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

/// The form of a schedule, with its settings; [`ScheduleCurve::new`] reads it from the arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "lr_scheduler_type", rename_all = "snake_case")]
pub enum ScheduleCurve {
    /// Down in a line to 0 at the last step.
    Linear,
    /// Down along a cosine.
    Cosine {
        /// Number of waves; 0.5, the default, goes down to 0 once.
        num_cycles: f64,
    },
    /// Down to 0 along half a cosine, several times.
    CosineWithRestarts {
        /// The number of restarts; 1 by default.
        num_cycles: f64,
    },
    /// Down along a power of the share of steps that is left.
    Polynomial {
        /// The learning rate at the end, below `learning_rate`; 1e-7 by default.
        lr_end: f64,
        /// The power; 1 by default.
        power: f64,
    },
    /// The same at every step, without warmup.
    Constant,
    /// The same at every step after the warmup.
    ConstantWithWarmup,
    /// Down as the inverse square root of the step.
    InverseSqrt {
        /// Steps after the warmup in which the rate falls to 1/√2; by default as many as the warmup has, 10,000 without one. (transformers'
        /// `get_scheduler` does not hand this argument on; here it has its effect.)
        timescale: Option<f64>,
    },
    /// Constant, then down.
    WarmupStableDecay {
        /// The number of steps of the decay; required.
        num_decay_steps: usize,
        /// Steps before it at the highest rate; by default all that warmup and decay leave. After the decay the rate stays at its least.
        num_stable_steps: Option<usize>,
        /// The form of the warmup; `linear` by default.
        warmup_type: Slope,
        /// The form of the decay; `cosine` by default.
        decay_type: Slope,
        /// The lowest rate, at the start of the warmup and after the decay, as a share of `learning_rate`; 0 by default.
        min_lr_ratio: f64,
        /// The number of waves of a cosine in the decay; 0.5 by default.
        num_cycles: f64,
    },
}

/// The form of a warmup or a decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slope {
    /// A line.
    #[serde(rename = "linear")]
    Linear,
    /// Half a cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// 1 − √x.
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

impl ScheduleCurve {
    /// The learning rate of a step, its highest value being `highest`; `warmup` and `all` are numbers of steps.
    pub(crate) fn rate(&self, step: usize, highest: f64, warmup: usize, all: usize) -> f64 {
        let in_warmup = step < warmup;
        let up = step as f64 / (warmup as f64).max(1.0);
        let after_warmup = (all as f64 - warmup as f64).max(1.0);
        let progress = (step as f64 - warmup as f64) / after_warmup;
        let factor = match *self {
            Self::Constant => 1.0,
            Self::WarmupStableDecay {
                num_decay_steps,
                num_stable_steps,
                warmup_type,
                decay_type,
                min_lr_ratio,
                num_cycles,
            } => {
                let stable = num_stable_steps.unwrap_or_else(|| all.saturating_sub(warmup + num_decay_steps));
                let decay = warmup + stable;
                let factor = if in_warmup {
                    warmup_type.up(up)
                } else if step < decay {
                    1.0
                } else if step < decay + num_decay_steps {
                    decay_type.down((step - decay) as f64 / num_decay_steps as f64, num_cycles)
                } else {
                    0.0
                };
                (factor * (1.0 - min_lr_ratio) + min_lr_ratio).max(0.0)
            }
            _ if in_warmup => up,
            Self::ConstantWithWarmup => 1.0,
            Self::Linear => ((all as f64 - step as f64) / after_warmup).max(0.0),
            Self::Cosine { num_cycles } => wave(num_cycles, progress).max(0.0),
            Self::CosineWithRestarts { .. } if progress >= 1.0 => 0.0,
            Self::CosineWithRestarts { num_cycles } => wave(0.5, (num_cycles * progress) % 1.0).max(0.0),
            Self::Polynomial { lr_end, .. } if step >= all => return lr_end,
            Self::Polynomial { lr_end, power } => return (highest - lr_end) * (1.0 - progress).powf(power) + lr_end,
            Self::InverseSqrt { timescale } => {
                let timescale = timescale.unwrap_or(if warmup == 0 { 10_000.0 } else { warmup as f64 });
                1.0 / ((step as f64 + (timescale - warmup as f64)) / timescale).sqrt()
            }
        };
        highest * factor
    }
}

impl Slope {
    fn up(self, progress: f64) -> f64 {
        match self {
            Self::Linear => progress,
            Self::Cosine => 0.5 * (1.0 - (PI * progress).cos()),
            Self::OneMinusSqrt => 1.0 - (1.0 - progress).sqrt(),
        }
    }

    fn down(self, progress: f64, num_cycles: f64) -> f64 {
        match self {
            Self::Linear => 1.0 - progress,
            Self::Cosine => wave(num_cycles, progress),
            Self::OneMinusSqrt => 1.0 - progress.sqrt(),
        }
    }
}

/// From 1 to 0 in half a cycle.
fn wave(num_cycles: f64, progress: f64) -> f64 {
    0.5 * (1.0 + (PI * num_cycles * 2.0 * progress).cos())
}

impl ScheduleCurve {
    /// The curve that the arguments describe.
    ///
    /// # Errors
    /// [`Error::Argument`] when `lr_scheduler_kwargs` holds a key that the curve does not take, or a value that it cannot have.
    pub fn new(args: &TrainingArguments) -> Result<Self> {
        let kwargs = Kwargs(args);
        match args.lr_scheduler_type {
            SchedulerType::Linear => kwargs.only(&[]).map(|()| Self::Linear),
            SchedulerType::Constant => kwargs.only(&[]).map(|()| Self::Constant),
            SchedulerType::ConstantWithWarmup => kwargs.only(&[]).map(|()| Self::ConstantWithWarmup),
            SchedulerType::Cosine => {
                kwargs.only(&["num_cycles"])?;
                Ok(Self::Cosine { num_cycles: kwargs.above_0("num_cycles")?.unwrap_or(0.5) })
            }
            SchedulerType::CosineWithRestarts => {
                kwargs.only(&["num_cycles"])?;
                Ok(Self::CosineWithRestarts { num_cycles: kwargs.above_0("num_cycles")?.unwrap_or(1.0) })
            }
            SchedulerType::Polynomial => {
                kwargs.only(&["lr_end", "power"])?;
                let expected = "a number from 0 to below `learning_rate`";
                let lr_end = kwargs.number("lr_end", |rate| rate >= 0.0, expected)?.unwrap_or(1e-7);
                if lr_end >= args.learning_rate {
                    return Err(kwargs.wrong("lr_end", json!(lr_end), expected));
                }
                Ok(Self::Polynomial { lr_end, power: kwargs.above_0("power")?.unwrap_or(1.0) })
            }
            SchedulerType::InverseSqrt => {
                kwargs.only(&["timescale"])?;
                Ok(Self::InverseSqrt { timescale: kwargs.above_0("timescale")? })
            }
            SchedulerType::WarmupStableDecay => kwargs.warmup_stable_decay(),
        }
    }
}

struct Kwargs<'a>(&'a TrainingArguments);

impl Kwargs<'_> {
    fn warmup_stable_decay(&self) -> Result<ScheduleCurve> {
        let known = ["num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"];
        self.only(&known)?;
        let missing = || self.wrong("num_decay_steps", Value::Null, "a whole number of steps");
        let share = |ratio: f64| (0.0..=1.0).contains(&ratio);
        Ok(ScheduleCurve::WarmupStableDecay {
            num_decay_steps: self.steps("num_decay_steps")?.ok_or_else(missing)?,
            num_stable_steps: self.steps("num_stable_steps")?,
            warmup_type: self.slope("warmup_type")?.unwrap_or(Slope::Linear),
            decay_type: self.slope("decay_type")?.unwrap_or(Slope::Cosine),
            min_lr_ratio: self.number("min_lr_ratio", share, "a number from 0 to 1")?.unwrap_or(0.0),
            num_cycles: self.above_0("num_cycles")?.unwrap_or(0.5),
        })
    }

    /// Fails when there is another key than these.
    fn only(&self, known: &[&str]) -> Result<()> {
        let Some((key, value)) = self.0.lr_scheduler_kwargs.iter().find(|(key, _)| !known.contains(&key.as_str()))
        else {
            return Ok(());
        };
        let takes = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        let expected = format!("`lr_scheduler_type` = {:?} takes {takes}", self.0.lr_scheduler_type.name());
        Err(self.error(key, value, expected))
    }

    fn above_0(&self, key: &str) -> Result<Option<f64>> {
        self.number(key, |value| value > 0.0, "a number above 0")
    }

    fn number(&self, key: &str, right: impl Fn(f64) -> bool, expected: &str) -> Result<Option<f64>> {
        self.read(key, expected, |value| value.as_f64().filter(|&number| number.is_finite() && right(number)))
    }

    fn steps(&self, key: &str) -> Result<Option<usize>> {
        self.read(key, "a whole number of steps", |value| usize::try_from(value.as_u64()?).ok())
    }

    fn slope(&self, key: &str) -> Result<Option<Slope>> {
        self.read(key, "\"linear\", \"cosine\" or \"1-sqrt\"", |value| serde_json::from_value(value.clone()).ok())
    }

    /// The value of a key; null counts as absent, as Python's `None`.
    fn read<T>(&self, key: &str, expected: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        let given = self.0.lr_scheduler_kwargs.get(key).filter(|value| !value.is_null());
        given.map(|value| read(value).ok_or_else(|| self.wrong(key, value.clone(), expected))).transpose()
    }

    fn wrong(&self, key: &str, value: Value, expected: &str) -> Error {
        let expected =
            format!("`lr_scheduler_type` = {:?} needs {expected} for {key}", self.0.lr_scheduler_type.name());
        self.error(key, &value, expected)
    }

    fn error(&self, key: &str, value: &Value, expected: String) -> Error {
        let value = json!({key: value}).to_string();
        Error::Argument { key: "lr_scheduler_kwargs", value, expected: expected.into() }
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
    const GOLDEN: &str = include_str!("../../tests/golden/schedules.jsonl");

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

    fn curve(lr_scheduler_type: &str, kwargs: Value) -> Result<ScheduleCurve> {
        let lr_scheduler_type = serde_json::from_value(lr_scheduler_type.into()).unwrap();
        let lr_scheduler_kwargs = serde_json::from_value(kwargs).unwrap();
        ScheduleCurve::new(&TrainingArguments { lr_scheduler_type, lr_scheduler_kwargs, ..Default::default() })
    }

    #[test]
    fn what_a_curve_cannot_take_is_named() {
        for (name, kwargs, value, expected) in [
            ("linear", json!({"num_cycles": 1}), r#"{"num_cycles":1}"#, r#""linear" takes nothing"#),
            ("cosine", json!({"num_cycle": 1}), r#"{"num_cycle":1}"#, r#""cosine" takes num_cycles"#),
            (
                "cosine",
                json!({"num_cycles": 0}),
                r#"{"num_cycles":0}"#,
                r#""cosine" needs a number above 0 for num_cycles"#,
            ),
            (
                "polynomial",
                json!({"lr_end": 5e-5}),
                r#"{"lr_end":0.00005}"#,
                r#""polynomial" needs a number from 0 to below `learning_rate` for lr_end"#,
            ),
            (
                "polynomial",
                json!({"power": "2"}),
                r#"{"power":"2"}"#,
                r#""polynomial" needs a number above 0 for power"#,
            ),
            (
                "warmup_stable_decay",
                json!({"num_stable_steps": 2}),
                r#"{"num_decay_steps":null}"#,
                r#""warmup_stable_decay" needs a whole number of steps for num_decay_steps"#,
            ),
            (
                "warmup_stable_decay",
                json!({"num_decay_steps": 2, "decay_type": "sqrt"}),
                r#"{"decay_type":"sqrt"}"#,
                r#""warmup_stable_decay" needs "linear", "cosine" or "1-sqrt" for decay_type"#,
            ),
        ] {
            assert_eq!(
                curve(name, kwargs).unwrap_err().to_string(),
                format!("training argument `lr_scheduler_kwargs` is {value}; `lr_scheduler_type` = {expected}")
            );
        }
    }

    #[test]
    fn the_default_end_of_a_polynomial_lies_below_its_beginning() {
        let args = TrainingArguments {
            lr_scheduler_type: SchedulerType::Polynomial,
            learning_rate: 1e-8,
            ..Default::default()
        };
        assert!(ScheduleCurve::new(&args).unwrap_err().to_string().contains(r#"{"lr_end":1e-7}"#));
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        assert_eq!(curve("cosine", json!({"num_cycles": null})).unwrap(), ScheduleCurve::Cosine { num_cycles: 0.5 });
        assert_eq!(curve("inverse_sqrt", json!({})).unwrap(), ScheduleCurve::InverseSqrt { timescale: None });
        assert_eq!(curve("polynomial", json!({})).unwrap(), ScheduleCurve::Polynomial { lr_end: 1e-7, power: 1.0 });
    }
}
