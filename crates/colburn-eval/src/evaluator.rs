//! The trait of all evaluators.

use std::{path::Path, sync::Arc};

use colburn_model::ColBert;

use crate::{
    description,
    error::Result,
    progress::Progress,
    report::{LineEnd, Report, append_csv, epoch_and_steps},
};

/// A measurement of a model.
///
/// An evaluator of one's own needs [`name`](Evaluator::name), [`metrics`](Evaluator::metrics) and
/// [`evaluate_with`](Evaluator::evaluate_with); its errors are [`Error::other`](crate::Error::other).
pub trait Evaluator: Send + Sync {
    /// Distinguishes evaluators of one run; part of file names and, when not empty, of metric names.
    fn name(&self) -> String;

    /// The names of the metrics that [`Evaluator::evaluate`] gives. A run whose best model is chosen by another metric is refused.
    fn metrics(&self) -> Vec<String>;

    /// Those of [`Evaluator::metrics`] of which a smaller value is better, as it is of a divergence.
    fn smaller_is_better(&self) -> Vec<String> {
        Vec::new()
    }

    /// The one of [`Evaluator::metrics`] by which models are compared; it stands out in a model card.
    fn primary_metric(&self) -> Option<String> {
        None
    }

    /// A heading for a model card: the name of its type in words, without `Evaluator`, as in sentence-transformers.
    fn description(&self) -> String {
        description::of(std::any::type_name::<Self>())
    }

    /// Checks that this model can be measured, without measuring it; the trainer calls it before the first step.
    ///
    /// # Errors
    /// When the evaluation is bound to fail, as with texts longer than the model takes.
    fn check(&self, _model: &ColBert) -> Result<()> {
        Ok(())
    }

    /// Measures a model; on a device without autodiff no graph is kept. `progress` is called with the progress now and then.
    ///
    /// # Errors
    /// When the data cannot be read or encoded, or the model's vectors are not finite.
    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report>;

    /// Measures a model without reports of progress.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate_with`].
    fn evaluate(&self, model: &ColBert) -> Result<Report> {
        self.evaluate_with(model, &mut |_| {})
    }

    /// Appends a line with the report to the evaluator's CSV file in `directory`, which must exist. `epoch` and `steps` are -1 outside
    /// of training, as in sentence-transformers.
    ///
    /// The file is `NAME_results.csv`, or has the [description](Evaluator::description) in its name where the evaluator has no name; the
    /// columns are `epoch`, `steps` and the metrics of the report.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
        let name = if self.name().is_empty() { self.description().replace(' ', "-") } else { self.name() };
        let metrics = report.metrics.iter().map(|(metric, _)| metric.as_str());
        let header: Vec<&str> = ["epoch", "steps"].into_iter().chain(metrics).collect();
        let values = report.metrics.iter().map(|(_, value)| crate::python::float(*value));
        let line: Vec<String> = epoch_and_steps(epoch, steps).into_iter().chain(values).collect();
        append_csv(&directory.join(format!("{name}_results.csv")), &header, &line, LineEnd::Lf)
    }
}

/// Passes every method on to the evaluator that a pointer holds.
macro_rules! pass_on {
    ($pointer:ident) => {
        impl<E: Evaluator + ?Sized> Evaluator for $pointer<E> {
            fn name(&self) -> String {
                (**self).name()
            }

            fn metrics(&self) -> Vec<String> {
                (**self).metrics()
            }

            fn smaller_is_better(&self) -> Vec<String> {
                (**self).smaller_is_better()
            }

            fn primary_metric(&self) -> Option<String> {
                (**self).primary_metric()
            }

            fn description(&self) -> String {
                (**self).description()
            }

            fn check(&self, model: &ColBert) -> Result<()> {
                (**self).check(model)
            }

            fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
                (**self).evaluate_with(model, progress)
            }

            fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()> {
                (**self).write_csv(report, directory, epoch, steps)
            }
        }
    };
}

pass_on!(Arc);
pass_on!(Box);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Error;

    struct OwnEvaluator(&'static str);

    impl Evaluator for OwnEvaluator {
        fn name(&self) -> String {
            self.0.to_owned()
        }

        fn metrics(&self) -> Vec<String> {
            vec!["a, b".to_owned()]
        }

        fn evaluate_with(&self, _: &ColBert, _: &mut dyn FnMut(&Progress<'_>)) -> Result<Report> {
            Err(Error::other("no answer"))
        }
    }

    #[test]
    fn a_report_becomes_a_line_of_a_file_with_the_evaluator_s_name() {
        let folder = tempfile::tempdir().unwrap();
        let report = Report { metrics: vec![("a, b".to_owned(), 0.5), ("c".to_owned(), f64::NAN)], primary: None };
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let own: Arc<dyn Evaluator> = Arc::new(OwnEvaluator("mine"));
        own.write_csv(&report, folder.path(), -1.0, -1).unwrap();
        own.write_csv(&report, folder.path(), 1.5, 3).unwrap();
        assert_eq!(read("mine_results.csv"), "epoch,steps,\"a, b\",c\n-1,-1,0.5,nan\n1.5,3,0.5,nan\n");
        Box::new(OwnEvaluator("")).write_csv(&report, folder.path(), 1.0, 2).unwrap();
        assert_eq!(read("Own_results.csv"), "epoch,steps,\"a, b\",c\n1.0,2,0.5,nan\n");
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }
}
