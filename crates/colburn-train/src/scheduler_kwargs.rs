//! `lr_scheduler_kwargs`: what each curve takes. An argument that the curve does not take, and a value that it cannot have, is an error
//! that says what would be right.

use serde_json::{Value, json};

use crate::curve::Slope;
use crate::{Curve, Error, Result, SchedulerType, TrainingArguments};

impl Curve {
    /// The curve that the arguments describe.
    ///
    /// # Errors
    /// [`Error::Argument`] when `lr_scheduler_kwargs` holds what the curve does not take, or a value that it cannot have.
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
    fn warmup_stable_decay(&self) -> Result<Curve> {
        let known = ["num_decay_steps", "num_stable_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles"];
        self.only(&known)?;
        let missing = || self.wrong("num_decay_steps", Value::Null, "a whole number of steps");
        let share = |ratio: f64| (0.0..=1.0).contains(&ratio);
        Ok(Curve::WarmupStableDecay {
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

    /// What a key holds; null is nothing, as Python's `None`.
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

    fn curve(lr_scheduler_type: &str, kwargs: Value) -> Result<Curve> {
        let lr_scheduler_type = serde_json::from_value(lr_scheduler_type.into()).unwrap();
        let lr_scheduler_kwargs = serde_json::from_value(kwargs).unwrap();
        Curve::new(&TrainingArguments { lr_scheduler_type, lr_scheduler_kwargs, ..Default::default() })
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
        assert!(Curve::new(&args).unwrap_err().to_string().contains(r#"{"lr_end":1e-7}"#));
    }

    #[test]
    fn what_is_left_out_or_null_has_its_default() {
        assert_eq!(curve("cosine", json!({"num_cycles": null})).unwrap(), Curve::Cosine { num_cycles: 0.5 });
        assert_eq!(curve("inverse_sqrt", json!({})).unwrap(), Curve::InverseSqrt { timescale: None });
        assert_eq!(curve("polynomial", json!({})).unwrap(), Curve::Polynomial { lr_end: 1e-7, power: 1.0 });
    }
}
