//! Evaluators of late-interaction models.
//!
//! An [`Evaluator`] measures a model and gives a [`Report`]; the trainer runs it before, during and after training.
//! [`TripletEvaluator`] asks how often the positive scores above the negative, [`RerankingEvaluator`] how well given candidates are ordered,
//! [`DistillationEvaluator`] how far the scores are from a teacher's. [`InformationRetrievalEvaluator`] searches the corpus of a
//! [`Collection`] for its queries, [`NanoBeirEvaluator`] does so for several. [`SequentialEvaluator`] is several evaluators as one. The metrics of
//! rankings themselves are in [`rank`].

mod collection;
mod description;
mod distillation;
mod error;
mod information_retrieval;
mod nano_beir;
mod progress;
mod python;
pub mod rank;
mod report;
mod reranking;
mod sequential;
mod table;
mod triplet;

use std::{path::Path, sync::Arc};

use colburn_model::ColBert;

pub use colburn_search::{RerankResult, rerank};
pub use collection::Collection;
pub use distillation::DistillationEvaluator;
pub use error::{Error, Result};
pub use information_retrieval::{InformationRetrievalEvaluator, RetrievalOptions};
pub use nano_beir::{NanoBeirEvaluator, PerCollection};
pub use progress::Progress;
pub use report::Report;
pub use reranking::{RerankingEvaluator, RerankingSample};
pub use sequential::SequentialEvaluator;
pub use table::Table;
pub use triplet::TripletEvaluator;

/// A measurement of a model.
pub trait Evaluator: Send + Sync {
    /// Distinguishes evaluators of one run; part of file names and, when not empty, of metric names.
    fn name(&self) -> String;

    /// The names of the metrics that [`Evaluator::evaluate`] will give, so that a run can be refused that decides by another one.
    fn metrics(&self) -> Vec<String>;

    /// Those of [`Evaluator::metrics`] of which a smaller value is better, as it is of a divergence.
    fn smaller_is_better(&self) -> Vec<String> {
        Vec::new()
    }

    /// The one of [`Evaluator::metrics`] by which models are compared; it stands out in a model card.
    fn primary_metric(&self) -> Option<String> {
        None
    }

    /// What it measures, in words, for a model card: the name of its type without `Evaluator`, as in sentence-transformers.
    fn description(&self) -> String {
        description::of(std::any::type_name::<Self>())
    }

    /// Whether this model can be measured, as far as that can be told without doing it; the trainer asks before the first step.
    ///
    /// # Errors
    /// When the evaluation is bound to fail, as with texts longer than the model takes.
    fn check(&self, _model: &ColBert) -> Result<()> {
        Ok(())
    }

    /// Measures a model; on a device without autodiff no graph is kept. `progress` is told how far it is, now and then.
    ///
    /// # Errors
    /// When the data cannot be read or encoded.
    fn evaluate_with(&self, model: &ColBert, progress: &mut dyn FnMut(&Progress<'_>)) -> Result<Report>;

    /// The same without being told.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate_with`].
    fn evaluate(&self, model: &ColBert) -> Result<Report> {
        self.evaluate_with(model, &mut |_| {})
    }

    /// Appends a line with the report to the evaluator's CSV file in `directory`, which must exist. `epoch` and `steps` are -1 outside
    /// of training, as in sentence-transformers.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write_csv(&self, report: &Report, directory: &Path, epoch: f64, steps: i64) -> Result<()>;
}

/// An evaluator that several runs share.
impl<E: Evaluator + ?Sized> Evaluator for Arc<E> {
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
