//! The log as series of numbers over the steps: those that are drawn, their order and their titles.

use std::collections::HashMap;

use crate::record::LogEntry;
use crate::scalars::scalar;

/// The weight of the last value in a smoothed one.
const SMOOTHING: f64 = 0.9;

/// The least number of points of a series that is smoothed.
const SMOOTHED_FROM: usize = 20;

/// A number of the log over the steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// Its key in the log.
    pub key: String,
    /// Its values, in the order of the log.
    pub points: Vec<Point>,
}

/// A number at a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub step: f64,
    pub epoch: f64,
    /// NaN for one that is not finite.
    pub value: f64,
}

impl Series {
    /// The values that are finite.
    pub fn finite(&self) -> impl DoubleEndedIterator<Item = f64> {
        self.points.iter().map(|point| point.value).filter(|value| value.is_finite())
    }

    /// The first and the last finite value.
    pub fn ends(&self) -> Option<(f64, f64)> {
        self.finite().next().zip(self.finite().next_back())
    }

    /// The series without its noise: none if it has too few points for that.
    pub fn smoothed(&self) -> Option<Self> {
        let values = (self.points.len() >= SMOOTHED_FROM).then(|| smoothed(&self.points))?;
        let points = self.points.iter().zip(values).map(|(point, value)| Point { value, ..*point });
        Some(Self { key: self.key.clone(), points: points.collect() })
    }
}

/// The series of training: the loss, the learning rate, the gradient norm, rates, and the rest.
pub(super) fn training(history: &[LogEntry]) -> Vec<Series> {
    let of_training = |key: &str| {
        let other = ["eval_", "test_", "train_", "skipped"].iter().any(|prefix| key.starts_with(prefix));
        !other && !["epoch", "step", "total_flos", "num_input_tokens_seen"].contains(&key)
    };
    let mut series = series(history, of_training);
    series.sort_by_key(|series| match series.key.as_str() {
        "loss" => 0,
        key if key.contains("loss") => 1,
        "learning_rate" => 2,
        "grad_norm" => 3,
        key if key.ends_with("_per_second") => 4,
        _ => 5,
    });
    series
}

/// The series of evaluation without its times: the metric that decides which model is best, then the primary metrics of the evaluators, then
/// the loss, then means over collections.
pub(super) fn evaluation(history: &[LogEntry], decides: Option<&str>, primary: &[String]) -> Vec<Series> {
    let times = ["_runtime", "_per_second", "_time"];
    let mut series = series(history, |key| key.starts_with("eval_") && !times.iter().any(|end| key.ends_with(end)));
    let metric = |key: &str| key.strip_prefix("eval_").unwrap_or(key).to_owned();
    series.sort_by_key(|series| match series.key.as_str() {
        key if Some(key) == decides => 0,
        key if primary.iter().any(|primary| metric(primary) == metric(key)) => 1,
        key if key.ends_with("loss") => 2,
        key if key.contains("mean") => 3,
        _ => 4,
    });
    series
}

fn series(history: &[LogEntry], drawn: impl Fn(&str) -> bool) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for entry in history {
        let of = |key: &str| entry.get(key).and_then(scalar).filter(|number| number.is_finite());
        let (step, epoch) = (of("step").unwrap_or_default(), of("epoch").unwrap_or_default());
        for (key, value) in entry.iter().filter(|(key, _)| drawn(key)) {
            let Some(value) = scalar(value) else { continue };
            let place = *places.entry(key).or_insert_with(|| {
                all.push(Series { key: key.clone(), points: Vec::new() });
                all.len() - 1
            });
            all[place].points.push(Point { step, epoch, value });
        }
    }
    all
}

/// The title of a series.
pub(super) fn title(key: &str) -> String {
    match key {
        "loss" => "Training loss".to_owned(),
        "learning_rate" => "Learning rate".to_owned(),
        "grad_norm" => "Gradient norm".to_owned(),
        "eval_loss" => "Evaluation loss".to_owned(),
        _ => match key.strip_prefix("eval_") {
            Some(metric) => metric.to_owned(),
            None => {
                let words = key.replace('_', " ");
                let mut letters = words.chars();
                letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
            }
        },
    }
}

/// Exponential moving averages, each divided by the sum of its weights, so that the first one is the first value. What is not finite is
/// left out of those after it.
fn smoothed(points: &[Point]) -> Vec<f64> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let average = |point: &Point| {
        if !point.value.is_finite() {
            return f64::NAN;
        }
        sum = SMOOTHING * sum + (1.0 - SMOOTHING) * point.value;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        sum / weight
    };
    points.iter().map(average).collect()
}

/// The points to draw where there are more than `limit`: of each chunk the lowest and the highest one, so that no peak is lost.
pub(super) fn thinned(points: &[Point], limit: usize) -> Vec<usize> {
    if points.len() <= limit {
        return (0..points.len()).collect();
    }
    let last = points.len() - 1;
    let chunk = points.len().div_ceil((limit / 2).max(1));
    let mut kept = vec![0, last];
    for start in (0..points.len()).step_by(chunk) {
        let range = start..(start + chunk).min(points.len());
        let finite = || range.clone().filter(|at| points[*at].value.is_finite());
        let by_value = |a: &usize, b: &usize| points[*a].value.total_cmp(&points[*b].value);
        kept.extend(finite().min_by(by_value));
        kept.extend(finite().max_by(by_value));
        kept.extend(range.clone().find(|at| !points[*at].value.is_finite()));
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn history(entries: serde_json::Value) -> Vec<LogEntry> {
        serde_json::from_value(entries).unwrap()
    }

    fn keys(series: &[Series]) -> Vec<&str> {
        series.iter().map(|series| series.key.as_str()).collect()
    }

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        let point = |(step, value)| Point { step: step as f64, epoch: 0.0, value };
        values.into_iter().enumerate().map(point).collect()
    }

    #[test]
    fn the_log_is_sorted_into_series() {
        let log = history(json!([
            {"eval_accuracy": 0.5, "eval_loss": 3.0, "eval_runtime": 1.0, "eval_samples_per_second": 9.0, "epoch": 0.0, "step": 0},
            {"rows_per_second": 40.0, "grad_norm": null, "learning_rate": 1e-5, "loss": 2.0, "note": "x", "epoch": 0.1, "step": 10},
            {"eval_accuracy": 0.75, "eval_nano_mean_ndcg": 0.1, "eval_loss": 2.0, "epoch": 0.2, "step": 20},
            {"loss": 1.0, "skipped_steps": 1, "epoch": 0.2, "step": 20},
            {"train_loss": 1.5, "train_runtime": 3.0, "total_flos": 0.0, "epoch": 0.2, "step": 20}
        ]));
        let training = training(&log);
        assert_eq!(keys(&training), ["loss", "learning_rate", "grad_norm", "rows_per_second"]);
        assert_eq!(training[0].points[1], Point { step: 20.0, epoch: 0.2, value: 1.0 });
        assert_eq!(training[0].ends(), Some((2.0, 1.0)));
        assert!(training[2].points[0].value.is_nan() && training[2].ends().is_none());
        assert_eq!(keys(&evaluation(&log, None, &[])), ["eval_loss", "eval_nano_mean_ndcg", "eval_accuracy"]);
        assert_eq!(keys(&evaluation(&log, Some("eval_accuracy"), &[]))[0], "eval_accuracy");
        let primary = ["accuracy".to_owned()];
        assert_eq!(keys(&evaluation(&log, None, &primary)), ["eval_accuracy", "eval_loss", "eval_nano_mean_ndcg"]);
        assert_eq!(keys(&evaluation(&log, Some("eval_loss"), &primary))[..2], ["eval_loss", "eval_accuracy"]);
    }

    #[test]
    fn series_have_titles() {
        let found =
            ["loss", "eval_loss", "eval_NanoSciFact_MaxSim_ndcg@10", "tokens_per_second", "éclat", ""].map(title);
        assert_eq!(
            found,
            ["Training loss", "Evaluation loss", "NanoSciFact_MaxSim_ndcg@10", "Tokens per second", "Éclat", ""]
        );
    }

    // v, w = 0, 0
    // for x in (4.0, 2.0, 2.0): v, w = 0.9 * v + 0.1 * x, 0.9 * w + 0.1; print(v / w)
    #[test]
    fn averages_move() {
        let found = smoothed(&points([4.0, 2.0, f64::NAN, 2.0]));
        for (found, expected) in found.iter().zip([4.0, 2.947368421052632, f64::NAN, 2.597785977859779]) {
            assert!((found - expected).abs() < 1e-12 || (found.is_nan() && expected.is_nan()), "{found} {expected}");
        }
    }

    #[test]
    fn peaks_survive_thinning() {
        let mut values: Vec<f64> = (0..10_000).map(|step| f64::from(step % 7)).collect();
        (values[4321], values[8765], values[5555]) = (1e3, -1e3, f64::NAN);
        let points = points(values);
        let kept = thinned(&points, 600);
        assert!(kept.len() <= 603 && kept.is_sorted(), "{}", kept.len());
        for at in [0, 4321, 8765, 5555, 9999] {
            assert!(kept.contains(&at), "{at}");
        }
        assert_eq!(thinned(&points[..50], 600), (0..50).collect::<Vec<_>>());
    }
}
