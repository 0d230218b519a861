//! Losses of late-interaction training.
//!
//! A [`Loss`] sees [`Embeddings`] and nothing else: no encoder, no text. What the trainer does around it (accumulation, gradient
//! caching) is therefore the same for every loss.

mod contrastive;
mod distillation;
mod error;
mod margin_mse;
mod score;
mod teacher;
#[cfg(all(test, feature = "flex"))]
mod testing;

use burn::tensor::Tensor;
use colburn_ops::Embeddings;

pub use colburn_ops::MaskRule;
pub use contrastive::Contrastive;
pub use distillation::Distillation;
pub use error::{Error, Result};
pub use margin_mse::MarginMse;
pub use score::Score;

/// What the scores of a batch should come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Targets {
    /// Each query has the same number of documents, in a group, in order; the first of a group is the positive.
    Positives,
    /// A teacher's score of each document, in the order of the documents: each query has a group of the same size.
    Scores(Vec<f32>),
}

/// A training objective on the token embeddings of a batch.
pub trait Loss: Send + Sync {
    /// The value to minimise, `[1]`, differentiable in the embeddings.
    ///
    /// # Errors
    /// When the batch does not have the form that the loss needs.
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>>;

    /// Whether the settings make sense; asked before a run, so that it does not fail hours later.
    ///
    /// # Errors
    /// When a setting cannot be used.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// The name of the loss in configuration files and reports.
    fn name(&self) -> &'static str;

    /// Its settings by the names that they have in configuration files, with their values as JSON writes them, for a model card.
    fn settings(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The work that introduced it, in BibTeX, for a model card.
    fn citation(&self) -> Option<&'static str> {
        None
    }

    /// The name of its type, which is what PyLate's cards call a loss: `Contrastive`.
    fn type_name(&self) -> &'static str {
        let name = std::any::type_name::<Self>();
        let path = name.split('<').next().unwrap_or(name);
        path.rsplit("::").next().unwrap_or(path)
    }
}
