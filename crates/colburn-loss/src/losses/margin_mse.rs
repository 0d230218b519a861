//! The margin loss: the student learns the teacher's differences between the scores of a positive and its negatives.

use burn::tensor::Tensor;
use colburn_ops::{Embeddings, MaskRule};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::loss::{Loss, Targets};
use crate::score::{Score, ScoreMetric};
use crate::teacher;

/// Hofstätter et al. 2020: margins.
const CITATION: &str = r#"@misc{hofstaetter2020improving,
    title = {Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation},
    author = {Sebastian Hofst{\"a}tter and Sophia Althammer and Michael Schr{\"o}der and Mete Sertkan and Allan Hanbury},
    year = {2020},
    eprint = {2010.02666},
    archivePrefix = {arXiv},
    primaryClass = {cs.IR}
}"#;

/// Mean squared error between the margins of student and teacher (Hofstätter et al. 2020; sentence-transformers' `MarginMSELoss`).
///
/// Each query has its own documents and, for each, a teacher's score ([`Targets::Scores`]). The first document is the positive; a margin
/// is its score minus that of one of the others. Only differences count: the level of the teacher's scores does not matter, but their
/// spread must be that of MaxSim, which is a sum over the query tokens.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_loss::{Loss, MarginMse, Targets};
/// use colburn_ops::{Embeddings, Spans};
///
/// let device = Device::default();
/// let query = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1]))?;
/// let documents = Tensor::<2>::from_data([[0.8, 0.6], [0.0, 1.0]], &device);
/// let documents = Embeddings::new(documents, Spans::from_lengths(&[1, 1]))?;
/// let loss = MarginMse::default().forward(&query, &documents, &Targets::Scores(vec![3.0, 2.0]))?;
/// assert!((loss.into_scalar::<f32>() - 0.04).abs() < 1e-6); // (0.8 - 1)²
/// # }
/// # Ok::<(), colburn_loss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct MarginMse {
    /// True if the squared errors of all margins are averaged, which is the default; false if they are summed.
    pub size_average: bool,
    /// The score by which queries and documents are compared, MaxSim.
    pub score: Score,
    /// The treatment of document tokens that do not count: PyLate's rule by default. It is not part of a configuration file.
    pub mask_rule: MaskRule,
}

impl Default for MarginMse {
    fn default() -> Self {
        Self { size_average: true, score: Score::MaxSim, mask_rule: MaskRule::Zero }
    }
}

impl Loss for MarginMse {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        self.validate()?;
        let teacher = teacher::scores(self.name(), queries, documents, targets, &queries.values.device())?;
        let student = self.score.of_groups(queries, documents, self.mask_rule)?;
        let errors = (margins(student) - margins(teacher)).powi_scalar(2);
        Ok(if self.size_average { errors.mean() } else { errors.sum() })
    }

    fn validate(&self) -> Result<()> {
        self.score.validate()
    }

    fn name(&self) -> &'static str {
        "margin_mse"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let own = [("size_average", self.size_average.to_string())];
        own.into_iter().chain(self.score.settings()).collect()
    }

    fn citation(&self) -> Option<&'static str> {
        Some(CITATION)
    }
}

/// The keys of `margin_mse`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    size_average: bool,
    score_metric: ScoreMetric,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        MarginMse::default().into()
    }
}

impl From<MarginMse> for Settings {
    fn from(MarginMse { size_average, score, mask_rule: _ }: MarginMse) -> Self {
        let (score_metric, k) = score.to_settings();
        Self { size_average, score_metric, k }
    }
}

impl TryFrom<Settings> for MarginMse {
    type Error = Error;

    fn try_from(Settings { size_average, score_metric, k }: Settings) -> Result<Self> {
        Ok(Self { size_average, score: Score::of_settings(score_metric, k)?, mask_rule: MaskRule::Zero })
    }
}

/// The first score of each row minus each of the others, `[rows, columns]` to `[rows, columns - 1]`.
fn margins(scores: Tensor<2>) -> Tensor<2> {
    let [rows, columns] = scores.dims();
    let (positive, negatives) = (scores.clone().slice([0..rows, 0..1]), scores.slice([0..rows, 1..columns]));
    positive.expand([rows, columns - 1]) - negatives
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::testing::{assert_close, value_and_gradient};

    // loss = sentence_transformers.losses.MarginMSELoss(None, similarity_fct=lambda q, d: (q * d).sum(-1))
    // loss.loss_fct = torch.nn.MSELoss(reduction=…)
    // s, t = torch.tensor([[.8, .2, .5], [.1, .9, .9]], requires_grad=True), torch.tensor([[3., 1., 2.], [.5, 2., 1.]])
    // loss.compute_loss_from_embeddings([torch.ones(2, 1)] + [s[:, i:i+1] for i in range(3)], t)
    #[test]
    fn value_and_gradient_of_several_negatives() {
        let (scores, teacher): ([&[f32]; 2], _) =
            ([&[0.8, 0.2, 0.5], &[0.1, 0.9, 0.9]], Targets::Scores(vec![3.0, 1.0, 2.0, 0.5, 2.0, 1.0]));
        let gradient = [-1.05, 0.7, 0.35, 0.2, -0.35, 0.15];
        assert_close(value_and_gradient(&MarginMse::default(), &scores, &teacher), 0.7575, &gradient);
        let sum = MarginMse { size_average: false, ..Default::default() };
        assert_close(value_and_gradient(&sum, &scores, &teacher), 3.03, &gradient.map(|value| 4.0 * value));
    }

    #[test]
    fn the_level_of_the_teacher_does_not_count() {
        let loss = |level: f32| {
            let teacher = Targets::Scores([2.0, 1.0].map(|score| score + level).to_vec());
            value_and_gradient(&MarginMse::default(), &[&[0.5, 0.25]], &teacher)
        };
        assert_eq!(loss(0.0), loss(4.0));
    }
}
