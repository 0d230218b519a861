//! Which score a loss compares texts by.

use burn::tensor::Tensor;
use colburn_ops::{Embeddings, MaskRule, maxsim, maxsim_pairs, xtr, xtr_pairs};

use crate::{Error, Result};

/// The score between a query and a document; PyLate's `score_metric`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// Each query token meets its best document token (`ColBERTScores`, `colbert_kd_scores`).
    #[default]
    MaxSim,
    /// Each query token meets only its `k` best tokens of the whole batch (`XTRScores`, `XTRKDScores`, where `k` is 256).
    ///
    /// A loss's [`MaskRule`] has no say here: tokens that do not count are never among the best.
    Xtr {
        /// How many tokens a query token keeps.
        k: usize,
    },
}

impl Score {
    /// Of every query with every document, `[queries, documents]`.
    pub(crate) fn of_all(self, queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
        Ok(match self {
            Self::MaxSim => maxsim(queries, documents, rule)?,
            Self::Xtr { k } => xtr(queries, documents, k)?,
        })
    }

    /// Of each query with the documents of its group, `[queries, documents / queries]`.
    pub(crate) fn of_groups(self, queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
        Ok(match self {
            Self::MaxSim => maxsim_pairs(queries, documents, rule)?,
            Self::Xtr { k } => xtr_pairs(queries, documents, k)?,
        })
    }

    /// Its settings, for [`Loss::settings`](crate::Loss::settings).
    pub(crate) fn settings(self) -> Vec<(&'static str, String)> {
        match self {
            Self::MaxSim => vec![("score_metric", "\"maxsim\"".to_owned())],
            Self::Xtr { k } => vec![("score_metric", "\"xtr\"".to_owned()), ("k", k.to_string())],
        }
    }

    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Self::Xtr { k: 0 } => Err(Error::Ops(colburn_ops::Error::NothingKept)),
            _ => Ok(()),
        }
    }
}
