//! Evaluators of late-interaction models.
//!
//! An [`Evaluator`] measures a model and gives a [`Report`]; the trainer runs it before, during and after training.
//! [`TripletEvaluator`] measures how often the positive scores above the negative, [`RerankingEvaluator`] how well given candidates are
//! ordered, [`DistillationEvaluator`] how far the scores are from a teacher's. [`InformationRetrievalEvaluator`] searches the corpus of a
//! [`Collection`] for its queries, [`NanoBeirEvaluator`] does so for several. [`SequentialEvaluator`] is several evaluators as one.
//! [`EvaluatorConfig`] reads an evaluator from a configuration file. The metrics of rankings themselves are in [`rank`].

mod batch_size;
mod collection;
mod config;
mod configured;
mod description;
mod distillation;
mod error;
mod evaluator;
mod finite;
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

pub use colburn_search::{RerankResult, rerank};
pub use collection::Collection;
pub use config::EvaluatorConfig;
pub use configured::{EvalRows, EvaluatorContext};
pub use distillation::{DistillationEvaluator, DistillationSettings};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use information_retrieval::{InformationRetrievalEvaluator, InformationRetrievalSettings, RetrievalOptions};
pub use nano_beir::{NanoBeirEvaluator, NanoBeirSettings, PerCollection};
pub use progress::Progress;
pub use report::Report;
pub use reranking::{RerankingEvaluator, RerankingSample, RerankingSettings};
pub use sequential::SequentialEvaluator;
pub use table::Table;
pub use triplet::{TripletEvaluator, TripletSettings};
