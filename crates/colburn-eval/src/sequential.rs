//! Several evaluators as one.

use std::collections::HashSet;
use std::path::Path;

use colburn_model::ColBert;

use crate::error::{Error, Result};
use crate::evaluator::Evaluator;
use crate::progress::Progress;
use crate::report::{Report, named};

/// The name of the evaluator in messages.
const EVALUATOR: &str = "sequential evaluator";

/// Runs evaluators in order and gives the metrics of all (`SequentialEvaluator` of sentence-transformers).
///
/// `sequential_score`, its primary metric, is the primary metric of the last evaluator, or the first one that it gives if it has no primary
/// metric. Each evaluator writes its own CSV file. The trainer takes several evaluators without this type; it serves where one evaluator is expected.
///
/// ```
/// use colburn_data::Dataset;
/// use colburn_eval::{Evaluator, SequentialEvaluator, TripletEvaluator};
///
/// let rows = [["what is rust", "a language", "iron oxide"].map(String::from).to_vec()];
/// let rows = Dataset::from_rows(&["query", "positive", "negative"], rows)?;
/// let (easy, hard) = (TripletEvaluator::new(&rows)?.name("easy"), TripletEvaluator::new(&rows)?.name("hard"));
/// let both = SequentialEvaluator::new(vec![Box::new(easy), Box::new(hard)])?;
/// assert_eq!(both.metrics(), ["easy_accuracy", "hard_accuracy", "sequential_score"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SequentialEvaluator {
    evaluators: Vec<Box<dyn Evaluator>>,
    name: String,
}

impl SequentialEvaluator {
    /// These evaluators, in this order.
    ///
    /// # Errors
    /// When there is none, or two would give a metric of one name.
    pub fn new(evaluators: Vec<Box<dyn Evaluator>>) -> Result<Self> {
        let data = |message: String| Error::Data { evaluator: EVALUATOR, message };
        if evaluators.is_empty() {
            return Err(data("no evaluators; at least one is expected".to_owned()));
        }
        let sequential = Self { evaluators, name: String::new() };
        let mut names = HashSet::new();
        if let Some(metric) = sequential.metrics().into_iter().find(|metric| !names.insert(metric.clone())) {
            let message =
                format!("two evaluators give the metric \"{metric}\"; a name of its own for each tells them apart");
            return Err(data(message));
        }
        Ok(sequential)
    }

    /// Gives the evaluator a name, which goes before its own metric: `NAME_sequential_score`. The metrics and files of its evaluators have
    /// their own names.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn score(&self) -> String {
        named(&self.name, "sequential_score")
    }
}

impl Evaluator for SequentialEvaluator {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn metrics(&self) -> Vec<String> {
        let parts = self.evaluators.iter().flat_map(|evaluator| evaluator.metrics());
        parts.chain([self.score()]).collect()
    }

    fn primary_metric(&self) -> Option<String> {
        Some(self.score())
    }

    /// Those of the parts, and `sequential_score` if a smaller value is better of all metrics of the last evaluator.
    fn smaller_is_better(&self) -> Vec<String> {
        let mut smaller: Vec<String> =
            self.evaluators.iter().flat_map(|evaluator| evaluator.smaller_is_better()).collect();
        if let Some(last) = self.evaluators.last()
            && last.metrics().iter().all(|metric| smaller.contains(metric))
        {
            smaller.push(self.score());
        }
        smaller
    }

    fn check(&self, model: &ColBert) -> Result<()> {
        self.evaluators.iter().try_for_each(|evaluator| evaluator.check(model))
    }

    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
        let (mut metrics, mut score) = (Vec::new(), f64::NAN);
        for evaluator in &self.evaluators {
            let report = evaluator.evaluate_with(model, progress)?;
            let primary = report.primary.as_deref().and_then(|primary| report.get(primary));
            score = primary.or_else(|| report.metrics.first().map(|(_, value)| *value)).unwrap_or(f64::NAN);
            metrics.extend(report.metrics);
        }
        metrics.push((self.score(), score));
        Ok(Report { metrics, primary: Some(self.score()) })
    }

    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        for evaluator in &self.evaluators {
            let own = evaluator.metrics();
            let metrics = report.metrics.iter().filter(|(name, _)| own.contains(name)).cloned().collect();
            evaluator.write_csv(&Report { metrics, primary: None }, directory, epoch, steps)?;
        }
        Ok(())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::cell::RefCell;

    use burn::tensor::Device;

    use super::*;

    /// Gives a fixed report.
    struct Fixed {
        name: &'static str,
        metrics: Vec<(&'static str, f64)>,
        primary: Option<&'static str>,
        smaller: bool,
    }

    impl Fixed {
        fn new(name: &'static str, metrics: &[(&'static str, f64)], primary: Option<&'static str>) -> Self {
            Self { name, metrics: metrics.to_vec(), primary, smaller: false }
        }
    }

    impl Evaluator for Fixed {
        fn name(&self) -> String {
            self.name.to_owned()
        }

        fn metrics(&self) -> Vec<String> {
            self.metrics.iter().map(|(name, _)| name.to_string()).collect()
        }

        fn smaller_is_better(&self) -> Vec<String> {
            if self.smaller { self.metrics() } else { Vec::new() }
        }

        fn evaluate_with(&self, _: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
            progress(&Progress { what: self.name, done: 1, total: 1 });
            let metrics = self.metrics.iter().map(|(name, value)| (name.to_string(), *value)).collect();
            Ok(Report { metrics, primary: self.primary.map(str::to_owned) })
        }

        fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
            let path = directory.join(self.name);
            let text = format!("{epoch} {steps} {:?}", report.metrics);
            std::fs::write(&path, text).map_err(|source| Error::Io { path, source })
        }
    }

    fn sequential(parts: Vec<Fixed>) -> Result<SequentialEvaluator> {
        SequentialEvaluator::new(parts.into_iter().map(|part| Box::new(part) as Box<dyn Evaluator>).collect())
    }

    fn model() -> ColBert {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny-colbert");
        ColBert::from_pretrained(folder, &Device::flex()).unwrap()
    }

    #[test]
    fn metrics_are_merged_and_the_last_decides() {
        let first = Fixed::new("first", &[("a", 1.0), ("b", 2.0)], Some("b"));
        for (primary, expected) in [(Some("d"), 4.0), (None, 3.0)] {
            let first = Fixed::new("first", &first.metrics, first.primary);
            let both = sequential(vec![first, Fixed::new("last", &[("c", 3.0), ("d", 4.0)], primary)]).unwrap();
            let seen = RefCell::new(Vec::new());
            let report = both.evaluate_with(&model(), &mut |at| seen.borrow_mut().push(at.what.to_owned())).unwrap();
            let names = report.metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names, both.metrics());
            assert_eq!((report.get("a"), report.get("sequential_score")), (Some(1.0), Some(expected)));
            assert_eq!(report.primary.as_deref(), Some("sequential_score"));
            assert_eq!(*seen.borrow(), ["first", "last"]);
        }
    }

    #[test]
    fn each_part_writes_what_is_its_own() {
        let parts = vec![Fixed::new("first", &[("a", 1.0)], None), Fixed::new("last", &[("b", 2.0)], None)];
        let (both, folder) = (sequential(parts).unwrap(), tempfile::tempdir().unwrap());
        let report = both.evaluate(&model()).unwrap();
        both.write_csv(&report, folder.path(), 1.5, 3).unwrap();
        for (name, expected) in [("first", "1.5 3 [(\"a\", 1.0)]"), ("last", "1.5 3 [(\"b\", 2.0)]")] {
            assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), expected);
        }
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }

    #[test]
    fn a_smaller_score_is_better_if_it_is_of_the_last() {
        let smaller = |name, metric| Fixed { smaller: true, ..Fixed::new(name, &[(metric, 1.0)], None) };
        let greater = |name, metric| Fixed::new(name, &[(metric, 1.0)], None);
        let last = sequential(vec![greater("x", "accuracy"), smaller("y", "kl")]).unwrap();
        assert_eq!(last.smaller_is_better(), ["kl", "sequential_score"]);
        let first = sequential(vec![smaller("y", "kl"), greater("x", "accuracy")]).unwrap();
        assert_eq!(first.smaller_is_better(), ["kl"]);
    }

    #[test]
    fn metrics_must_not_hide_each_other() {
        let message = |parts: Vec<Fixed>| sequential(parts).err().unwrap().to_string();
        assert_eq!(message(vec![]), "sequential evaluator: no evaluators; at least one is expected");
        let twice = vec![Fixed::new("x", &[("a", 1.0)], None), Fixed::new("y", &[("b", 1.0), ("a", 1.0)], None)];
        assert!(message(twice).contains("two evaluators give the metric \"a\""));
        let nested = sequential(vec![Fixed::new("x", &[("a", 1.0)], None)]).unwrap();
        let outer = |inner| SequentialEvaluator::new(vec![Box::new(inner)]);
        assert!(outer(nested).err().unwrap().to_string().contains("\"sequential_score\""));
        let nested = sequential(vec![Fixed::new("x", &[("a", 1.0)], None)]).unwrap().name("inner");
        assert_eq!(outer(nested).unwrap().metrics(), ["a", "inner_sequential_score", "sequential_score"]);
    }
}
