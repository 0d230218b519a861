//! The distillation loss: over the documents of a query, the scores of the student should be distributed as the teacher's are.

use std::sync::Arc;

use burn::tensor::{Tensor, activation::log_softmax};
use colburn_ops::{Embeddings, MaskRule};
use serde::{Deserialize, Serialize};

use crate::configured::Configured;
use crate::error::{Error, Result, check_temperature};
use crate::loss::{Loss, Targets};
use crate::score::{K, Score, ScoreMetric};
use crate::teacher;

/// Keeps the normalisation of equal scores from a division by zero; PyLate's number.
const EPSILON: f64 = 1e-8;

/// Santhanam et al. 2022: distillation of a cross-encoder's scores.
const CITATION: &str = r#"@inproceedings{santhanam-etal-2022-colbertv2,
    title = {{ColBERTv2}: Effective and Efficient Retrieval via Lightweight Late Interaction},
    author = {Keshav Santhanam and Omar Khattab and Jon Saad-Falcon and Christopher Potts and Matei Zaharia},
    booktitle = {Proceedings of the 2022 Conference of the North American Chapter of the Association for Computational Linguistics: Human Language Technologies},
    year = {2022},
    publisher = {Association for Computational Linguistics}
}"#;

/// Kullback-Leibler divergence of the student's distribution from the teacher's (`pylate.losses.Distillation`).
///
/// Each query has its own documents and, for each, a teacher's score ([`Targets::Scores`]). Both sides' scores become probabilities by a
/// softmax over the documents of the query; the student's are first scaled to the range 0 to 1, unless `normalize_scores` is off. MaxSim
/// is a sum over query tokens, so its softmax without that is far sharper than a teacher's cosines.
///
/// A query whose documents all score alike has a gradient of the order of 1e8 when its scores are normalised, in PyLate too, because they
/// are divided by their range. Clipping bounds it.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_loss::{Distillation, Loss, Targets};
/// use colburn_ops::{Embeddings, Spans};
///
/// let device = Device::default();
/// let query = Embeddings::new(Tensor::from_data([[1.0, 0.0]], &device), Spans::from_lengths(&[1]))?;
/// let documents = Tensor::<2>::from_data([[0.8, 0.6], [0.0, 1.0]], &device);
/// let documents = Embeddings::new(documents, Spans::from_lengths(&[1, 1]))?;
/// // The student's 0.8 and 0 become 1 and 0, the distance that the teacher asks for.
/// let loss = Distillation::default().forward(&query, &documents, &Targets::Scores(vec![3.0, 2.0]))?;
/// assert!(loss.into_scalar::<f32>().abs() < 1e-6);
/// # }
/// # Ok::<(), colburn_loss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Distillation {
    /// True if the student's scores of each query are scaled to the range 0 to 1, which is the default. The teacher's are taken as they
    /// are.
    pub normalize_scores: bool,
    /// True if the divergences of the queries are averaged, which is the default; false if they are summed.
    pub size_average: bool,
    /// Both sides' scores are divided by it, after normalising, and the loss is multiplied by its square, so that the gradient keeps its
    /// size: 1.0, which is PyLate's loss. As in sentence-transformers (`DistillKLDivLoss`).
    pub temperature: f64,
    /// The score by which queries and documents are compared, MaxSim.
    pub score: Score,
    /// The treatment of document tokens that do not count: PyLate's rule by default. It is not part of a configuration file.
    pub mask_rule: MaskRule,
}

impl Default for Distillation {
    fn default() -> Self {
        Self {
            normalize_scores: true,
            size_average: true,
            temperature: 1.0,
            score: Score::MaxSim,
            mask_rule: MaskRule::Zero,
        }
    }
}

impl Loss for Distillation {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        self.validate()?;
        let teacher = teacher::scores(self.name(), queries, documents, targets, &queries.values.device())?;
        let student = self.score.of_groups(queries, documents, self.mask_rule)?;
        let student = if self.normalize_scores { min_max(student) } else { student };
        let student = log_softmax(student / self.temperature, 1);
        let teacher = log_softmax(teacher / self.temperature, 1);
        let divergence = (teacher.clone().exp() * (teacher - student)).sum();
        let share = if self.size_average { queries.len() as f64 } else { 1.0 };
        Ok(divergence * (self.temperature.powi(2) / share))
    }

    fn validate(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        self.score.validate()
    }

    fn name(&self) -> &'static str {
        "distillation"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let own = [
            ("temperature", format!("{:?}", self.temperature)),
            ("size_average", self.size_average.to_string()),
            ("normalize_scores", self.normalize_scores.to_string()),
        ];
        own.into_iter().chain(self.score.settings()).collect()
    }

    fn citation(&self) -> Option<&'static str> {
        Some(CITATION)
    }
}

/// The keys of `distillation`: the arguments of PyLate's `Distillation`, and `temperature`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    temperature: f64,
    size_average: bool,
    normalize_scores: bool,
    score_metric: ScoreMetric,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Distillation::default().into()
    }
}

impl From<Distillation> for Settings {
    fn from(loss: Distillation) -> Self {
        let Distillation { normalize_scores, size_average, temperature, score, mask_rule: _ } = loss;
        let (score_metric, k) = score.to_settings();
        Self { temperature, size_average, normalize_scores, score_metric, k }
    }
}

impl TryFrom<Settings> for Distillation {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self> {
        let Settings { temperature, size_average, normalize_scores, score_metric, k } = settings;
        let score = Score::of_settings(score_metric, k)?;
        Ok(Self { normalize_scores, size_average, temperature, score, mask_rule: MaskRule::Zero })
    }
}

/// [`Distillation`] over XTR's scores (`pylate.losses.Distillation` with `XTRKDScores`), as a configuration file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "XtrSettings", into = "XtrSettings")]
pub struct XtrDistillation(pub Distillation);

impl Configured for XtrDistillation {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self.0)
    }
}

/// The keys of `xtr_distillation`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct XtrSettings {
    temperature: f64,
    size_average: bool,
    normalize_scores: bool,
    k: usize,
}

impl Default for XtrSettings {
    fn default() -> Self {
        XtrDistillation(Distillation::default()).into()
    }
}

impl From<XtrDistillation> for XtrSettings {
    fn from(XtrDistillation(loss): XtrDistillation) -> Self {
        let Settings { temperature, size_average, normalize_scores, k, .. } = loss.into();
        Self { temperature, size_average, normalize_scores, k: k.unwrap_or(K) }
    }
}

impl From<XtrSettings> for XtrDistillation {
    fn from(XtrSettings { temperature, size_average, normalize_scores, k }: XtrSettings) -> Self {
        let score = Score::Xtr { k };
        Self(Distillation { normalize_scores, size_average, temperature, score, mask_rule: MaskRule::Zero })
    }
}

/// The scores of each query, scaled to the range 0 to 1. As in PyTorch, the gradient of a least and a greatest score goes to one document.
fn min_max(scores: Tensor<2>) -> Tensor<2> {
    let (least, greatest) = (scores.clone().min_dim(1), scores.clone().max_dim(1));
    (scores - least.clone()) / (greatest - least + EPSILON)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::testing::{assert_close, texts, value_and_gradient};
    use burn::tensor::Device;

    /// The greatest score of the second query is there twice.
    const SCORES: [&[f32]; 2] = [&[0.8, 0.2, 0.5], &[0.1, 0.9, 0.9]];

    fn teacher() -> Targets {
        Targets::Scores(vec![3.0, 1.0, 2.0, 0.5, 2.0, 1.0])
    }

    // def distillation(s, t, normalize=True, reduction="batchmean", T=1.0):
    //     if normalize:
    //         (hi, _), (lo, _) = torch.max(s, dim=1, keepdim=True), torch.min(s, dim=1, keepdim=True)
    //         s = (s - lo) / (hi - lo + 1e-8)
    //     loss = torch.nn.KLDivLoss(reduction=reduction, log_target=True)
    //     return loss(F.log_softmax(s / T, -1), F.log_softmax(t / T, -1)) * T**2
    // s, t = torch.tensor([[.8, .2, .5], [.1, .9, .9]], requires_grad=True), torch.tensor([[3., 1., 2.], [.5, 2., 1.]])
    #[test]
    fn value_and_gradient_with_equal_scores() {
        let normalized = Distillation::default();
        let expected = [-0.026028074, -0.026028067, 0.05205614, 0.0, -0.11943432, 0.11943431];
        assert_close(value_and_gradient(&normalized, &SCORES, &teacher()), 0.07827437, &expected);
        let sum = Distillation { size_average: false, ..normalized.clone() };
        assert_close(value_and_gradient(&sum, &SCORES, &teacher()), 0.15654874, &expected.map(|value| 2.0 * value));
        let raw = Distillation { normalize_scores: false, ..normalized };
        let expected = [-0.11424456, 0.07483194, 0.03941259, 0.021602722, -0.11012831, 0.088525586];
        assert_close(value_and_gradient(&raw, &SCORES, &teacher()), 0.11274083, &expected);
    }

    // distillation(s, t, normalize, T=2.0)
    #[test]
    fn a_temperature_softens_both_sides() {
        let normalized = Distillation { temperature: 2.0, ..Default::default() };
        let expected = [-0.016083315, -0.01608333, 0.032166637, 0.0, -0.1148697, 0.11486971];
        assert_close(value_and_gradient(&normalized, &SCORES, &teacher()), 0.08521429, &expected);
        let raw = Distillation { normalize_scores: false, ..normalized };
        let expected = [-0.12209067, 0.0984392, 0.02365145, 0.023806304, -0.10653734, 0.08273095];
        assert_close(value_and_gradient(&raw, &SCORES, &teacher()), 0.12567869, &expected);
    }

    // distillation(torch.tensor([[.5, .5, .5]], requires_grad=True), torch.tensor([[3., 1., 2.]]))
    #[test]
    fn scores_that_are_all_alike_have_a_finite_loss_and_pylates_gradient() {
        let found = value_and_gradient(&Distillation::default(), &[&[0.5; 3]], &Targets::Scores(vec![3.0, 1.0, 2.0]));
        assert_close(found, 0.26621667, &[-33190754.0, 24330272.0, 8860482.0]);
    }

    #[test]
    fn data_of_another_form_is_an_error_that_says_what_is_missing() {
        let device = Device::flex();
        let (two, four, three) =
            (texts(&[[1.0]; 2], &device), texts(&[[1.0]; 4], &device), texts(&[[1.0]; 3], &device));
        let error = |queries, documents, targets| {
            Distillation::default().forward(queries, documents, &targets).unwrap_err().to_string()
        };
        let missing = error(&two, &four, Targets::Positives);
        assert!(missing.contains("`distillation`") && missing.contains("`query_id`, `document_ids`"), "{missing}");
        let single = error(&two, &two, Targets::Scores(vec![1.0; 2]));
        assert!(single.contains("2 queries and 2 documents") && single.contains("n_ways"), "{single}");
        let uneven = error(&two, &three, Targets::Scores(vec![1.0; 3]));
        assert!(uneven.contains("2 queries and 3 documents"), "{uneven}");
        let short = error(&two, &four, Targets::Scores(vec![1.0; 3]));
        assert!(short.contains("3 scores for 4 documents"), "{short}");
        let infinite = error(&two, &four, Targets::Scores(vec![1.0, 1.0, f32::INFINITY, 1.0]));
        assert!(infinite.contains("document 0 of row 1") && infinite.contains("inf"), "{infinite}");
    }

    #[test]
    fn settings_that_cannot_work_are_errors() {
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Distillation { temperature, ..Default::default() }.validate().unwrap_err().to_string();
            assert!(error.contains("temperature = "), "{error}");
        }
        let nothing = Distillation { score: Score::Xtr { k: 0 }, ..Default::default() };
        assert!(nothing.validate().unwrap_err().to_string().contains("k = 0"));
        assert!(Distillation::default().validate().is_ok());
    }
}
