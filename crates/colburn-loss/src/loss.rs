//! The trait of all losses.

use std::sync::Arc;

use burn::tensor::Tensor;
use colburn_ops::Embeddings;

use crate::error::Result;

/// The targets that the scores of a batch are compared with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Targets {
    /// Each query has a group of documents of the same size, in order; the first of a group is the positive.
    Positives,
    /// A teacher's score of each document, in the order of the documents: each query has a group of the same size.
    Scores(Vec<f32>),
}

/// A training objective on the token embeddings of a batch.
///
/// A loss of one's own needs [`forward`](Loss::forward) and [`name`](Loss::name); its errors are [`Error::other`](crate::Error::other).
pub trait Loss: Send + Sync {
    /// The value to minimise, differentiable in the embeddings.
    ///
    /// # Shapes
    /// Embeddings of Q queries and D documents to `[1]`. The documents of query `i` are `i · D/Q .. (i + 1) · D/Q`.
    ///
    /// # Errors
    /// When the batch does not have the form that the loss needs.
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>>;

    /// Checks the settings; the trainer calls it before a run, so that the run does not fail hours later.
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

    /// The publication that the loss comes from, as a BibTeX entry, for a model card.
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

/// Passes every method on to the loss that a pointer holds.
macro_rules! pass_on {
    ($pointer:ident) => {
        impl<L: Loss + ?Sized> Loss for $pointer<L> {
            fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
                (**self).forward(queries, documents, targets)
            }

            fn validate(&self) -> Result<()> {
                (**self).validate()
            }

            fn name(&self) -> &'static str {
                (**self).name()
            }

            fn settings(&self) -> Vec<(&'static str, String)> {
                (**self).settings()
            }

            fn citation(&self) -> Option<&'static str> {
                (**self).citation()
            }

            fn type_name(&self) -> &'static str {
                (**self).type_name()
            }
        }
    };
}

pass_on!(Arc);
pass_on!(Box);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Contrastive, Error};

    #[test]
    fn a_pointer_to_a_loss_is_the_loss() {
        let loss = Contrastive { temperature: -1.0, ..Default::default() };
        let pointers: [Box<dyn Loss>; 2] = [Box::new(Arc::new(loss.clone()) as Arc<dyn Loss>), Box::new(loss.clone())];
        for pointer in pointers {
            assert_eq!((pointer.name(), pointer.type_name()), ("contrastive", "Contrastive"));
            assert_eq!((pointer.settings(), pointer.citation()), (loss.settings(), loss.citation()));
            assert!(matches!(pointer.validate(), Err(Error::Temperature(_))));
        }
    }
}
