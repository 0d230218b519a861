//! The score by which a loss compares texts.

use burn::tensor::Tensor;
use colburn_ops::{Embeddings, MaskRule, maxsim, maxsim_pairs, xtr, xtr_pairs};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The default `k` of PyLate's `XTRScores` and `XTRKDScores`.
pub(crate) const K: usize = 256;

/// The score between a query and a document; PyLate's `score_metric`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Score {
    /// Each query token meets its best document token (`ColBERTScores`, `colbert_kd_scores`).
    #[default]
    MaxSim,
    /// Each query token meets only its `k` best tokens of the whole batch (`XTRScores`, `XTRKDScores`, where `k` is 256).
    ///
    /// A loss's [`MaskRule`] does not apply: tokens that do not count are never among the best.
    Xtr {
        /// The number of tokens that a query token keeps.
        k: usize,
    },
}

/// The value of `score_metric` in a configuration file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ScoreMetric {
    #[default]
    MaxSim,
    Xtr,
}

impl Score {
    /// The scores of every query with every document.
    ///
    /// # Shapes
    /// Embeddings of Q queries and D documents to `[Q, D]`.
    ///
    /// # Errors
    /// When the embeddings differ in width, or `k` is 0.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use colburn_loss::{MaskRule, Score};
    /// use colburn_ops::{Embeddings, Spans};
    ///
    /// let tokens = Tensor::<2>::from_data([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &Device::default());
    /// let queries = Embeddings::new(tokens.clone(), Spans::from_lengths(&[1, 2]))?;
    /// let documents = Embeddings::new(tokens, Spans::from_lengths(&[2, 1]))?;
    /// let scores = Score::MaxSim.of_all(&queries, &documents, MaskRule::Zero)?;
    /// assert_eq!(scores.dims(), [2, 2]);
    /// # }
    /// # Ok::<(), colburn_loss::Error>(())
    /// ```
    pub fn of_all(self, queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
        Ok(match self {
            Self::MaxSim => maxsim(queries, documents, rule)?,
            Self::Xtr { k } => xtr(queries, documents, k)?,
        })
    }

    /// The scores of each query with the documents of its group.
    ///
    /// # Shapes
    /// Embeddings of Q queries and D documents to `[Q, D/Q]`. The documents of query `i` are `i · D/Q .. (i + 1) · D/Q`.
    ///
    /// # Errors
    /// When D is not a multiple of Q, the embeddings differ in width, or `k` is 0.
    ///
    /// ```
    /// # #[cfg(feature = "flex")] {
    /// use burn::tensor::{Device, Tensor};
    /// use colburn_loss::{MaskRule, Score};
    /// use colburn_ops::{Embeddings, Spans};
    ///
    /// let device = Device::default();
    /// let query = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1]))?;
    /// let documents = Tensor::<2>::from_data([[0.8, 0.6], [0.0, 1.0], [0.6, 0.8]], &device);
    /// let documents = Embeddings::new(documents, Spans::from_lengths(&[2, 1]))?;
    /// let scores = Score::MaxSim.of_groups(&query, &documents, MaskRule::Zero)?;
    /// assert_eq!(scores.into_data().try_into_vec::<f32>().unwrap(), [0.8, 0.6]);
    /// # }
    /// # Ok::<(), colburn_loss::Error>(())
    /// ```
    pub fn of_groups(self, queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
        Ok(match self {
            Self::MaxSim => maxsim_pairs(queries, documents, rule)?,
            Self::Xtr { k } => xtr_pairs(queries, documents, k)?,
        })
    }

    /// The score that `score_metric` and `k` of a configuration file describe.
    pub(crate) fn of_settings(metric: ScoreMetric, k: Option<usize>) -> Result<Self> {
        match (metric, k) {
            (ScoreMetric::Xtr, k) => Ok(Self::Xtr { k: k.unwrap_or(K) }),
            (ScoreMetric::MaxSim, None) => Ok(Self::MaxSim),
            (ScoreMetric::MaxSim, Some(_)) => {
                let message = "it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch";
                Err(Error::Setting { key: "k", message: message.to_owned() })
            }
        }
    }

    /// `score_metric` and `k`, as a configuration file has them.
    pub(crate) fn to_settings(self) -> (ScoreMetric, Option<usize>) {
        match self {
            Self::MaxSim => (ScoreMetric::MaxSim, None),
            Self::Xtr { k } => (ScoreMetric::Xtr, Some(k)),
        }
    }

    /// Its settings, for the settings of a loss.
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
