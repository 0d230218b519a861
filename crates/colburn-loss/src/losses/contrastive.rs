//! The contrastive loss: each query must tell its positive from every other document of the batch.

use std::sync::Arc;

use burn::tensor::Tensor;
use colburn_ops::{Embeddings, MaskRule, cross_entropy};
use serde::{Deserialize, Serialize};

use crate::configured::{Configured, GradientCaching};
use crate::error::{Error, Result, check_temperature};
use crate::loss::{Loss, Targets};
use crate::score::{K, Score, ScoreMetric};

/// van den Oord et al. 2018: the contrastive loss over a batch.
const CITATION: &str = r#"@misc{oord2018representation,
    title = {Representation Learning with Contrastive Predictive Coding},
    author = {Aaron van den Oord and Yazhe Li and Oriol Vinyals},
    year = {2018},
    eprint = {1807.03748},
    archivePrefix = {arXiv},
    primaryClass = {cs.LG}
}"#;

/// Cross-entropy over the scores of all documents of the batch (`pylate.losses.Contrastive`).
///
/// With N documents a query the label of query `i` is document `i · N`: its positive. Its own negatives, and the positives and negatives
/// of all other queries, are the documents that it is told from.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_loss::{Contrastive, Loss, Targets};
/// use colburn_ops::{Embeddings, Spans};
///
/// let device = Device::default();
/// let tokens = Tensor::<2>::from_data([[1.0, 0.0], [0.0, 1.0]], &device);
/// let texts = Embeddings::new(tokens, Spans::from_lengths(&[1, 1]))?;
/// let loss = Contrastive::default().forward(&texts, &texts, &Targets::Positives)?;
/// assert!((loss.into_scalar::<f32>() - 0.3133).abs() < 1e-3); // log(1 + e⁻¹)
/// # }
/// # Ok::<(), colburn_loss::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Settings", into = "Settings")]
pub struct Contrastive {
    /// Scores are divided by it, 1.0.
    pub temperature: f64,
    /// True if the losses of the queries are averaged, which is the default; false if they are summed.
    pub size_average: bool,
    /// The score by which queries and documents are compared, MaxSim.
    pub score: Score,
    /// The treatment of document tokens that do not count: PyLate's rule by default. It is not part of a configuration file.
    pub mask_rule: MaskRule,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self { temperature: 1.0, size_average: true, score: Score::MaxSim, mask_rule: MaskRule::Zero }
    }
}

impl Loss for Contrastive {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, targets: &Targets) -> Result<Tensor<1>> {
        self.validate()?;
        let Targets::Positives = targets else { return Err(Error::NoPositives { loss: self.name() }) };
        let (count, total) = (queries.len(), documents.len());
        if count == 0 || total == 0 || !total.is_multiple_of(count) {
            return Err(Error::Groups { queries: count, documents: total });
        }
        let scores = self.score.of_all(queries, documents, self.mask_rule)? / self.temperature;
        let positives: Vec<u32> = (0..count).map(|query| (query * (total / count)) as u32).collect();
        let losses = cross_entropy(scores, &positives);
        Ok(if self.size_average { losses.mean() } else { losses.sum() })
    }

    fn validate(&self) -> Result<()> {
        check_temperature(self.temperature)?;
        self.score.validate()
    }

    fn name(&self) -> &'static str {
        "contrastive"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let own = [("temperature", format!("{:?}", self.temperature)), ("size_average", self.size_average.to_string())];
        own.into_iter().chain(self.score.settings()).collect()
    }

    fn citation(&self) -> Option<&'static str> {
        Some(CITATION)
    }
}

/// The keys of `contrastive`: the arguments of PyLate's `Contrastive`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    temperature: f64,
    size_average: bool,
    score_metric: ScoreMetric,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
    gather_across_devices: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Contrastive::default().into()
    }
}

impl From<Contrastive> for Settings {
    fn from(Contrastive { temperature, size_average, score, mask_rule: _ }: Contrastive) -> Self {
        let (score_metric, k) = score.to_settings();
        Self { temperature, size_average, score_metric, k, gather_across_devices: false }
    }
}

impl TryFrom<Settings> for Contrastive {
    type Error = Error;

    fn try_from(settings: Settings) -> Result<Self> {
        let Settings { temperature, size_average, score_metric, k, gather_across_devices } = settings;
        if gather_across_devices {
            let message = "true, but one process trains, so there is no other device to gather from; leave it out";
            return Err(Error::Setting { key: "gather_across_devices", message: message.to_owned() });
        }
        let score = Score::of_settings(score_metric, k)?;
        Ok(Self { temperature, size_average, score, mask_rule: MaskRule::Zero })
    }
}

/// [`Contrastive`] with cached gradients (`pylate.losses.CachedContrastive`), as a configuration file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "CachedSettings", into = "CachedSettings")]
pub struct CachedContrastive {
    /// The loss.
    pub loss: Contrastive,
    /// Texts that go through the encoder at once, if the file says so.
    pub mini_batch_size: Option<usize>,
}

impl Configured for CachedContrastive {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self.loss)
    }

    fn gradient_caching(&self) -> Option<GradientCaching> {
        Some(GradientCaching { mini_batch_size: self.mini_batch_size })
    }
}

/// The keys of `cached_contrastive`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CachedSettings {
    temperature: f64,
    size_average: bool,
    score_metric: ScoreMetric,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<usize>,
    gather_across_devices: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    mini_batch_size: Option<usize>,
}

impl Default for CachedSettings {
    fn default() -> Self {
        CachedContrastive { loss: Contrastive::default(), mini_batch_size: None }.into()
    }
}

impl From<CachedContrastive> for CachedSettings {
    fn from(CachedContrastive { loss, mini_batch_size }: CachedContrastive) -> Self {
        let Settings { temperature, size_average, score_metric, k, gather_across_devices } = loss.into();
        Self { temperature, size_average, score_metric, k, gather_across_devices, mini_batch_size }
    }
}

impl TryFrom<CachedSettings> for CachedContrastive {
    type Error = Error;

    fn try_from(settings: CachedSettings) -> Result<Self> {
        let CachedSettings { temperature, size_average, score_metric, k, gather_across_devices, mini_batch_size } =
            settings;
        let loss = Settings { temperature, size_average, score_metric, k, gather_across_devices }.try_into()?;
        Ok(Self { loss, mini_batch_size })
    }
}

/// [`Contrastive`] over XTR's scores (`pylate.losses.Contrastive` with `XTRScores`), as a configuration file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "XtrSettings", into = "XtrSettings")]
pub struct XtrContrastive(pub Contrastive);

impl Configured for XtrContrastive {
    fn into_loss(self) -> Arc<dyn Loss> {
        Arc::new(self.0)
    }
}

/// The keys of `xtr_contrastive`.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct XtrSettings {
    temperature: f64,
    size_average: bool,
    k: usize,
    gather_across_devices: bool,
}

impl Default for XtrSettings {
    fn default() -> Self {
        XtrContrastive(Contrastive::default()).into()
    }
}

impl From<XtrContrastive> for XtrSettings {
    fn from(XtrContrastive(loss): XtrContrastive) -> Self {
        let Settings { temperature, size_average, k, gather_across_devices, .. } = loss.into();
        Self { temperature, size_average, k: k.unwrap_or(K), gather_across_devices }
    }
}

impl TryFrom<XtrSettings> for XtrContrastive {
    type Error = Error;

    fn try_from(settings: XtrSettings) -> Result<Self> {
        let XtrSettings { temperature, size_average, k, gather_across_devices } = settings;
        let (score_metric, k) = (ScoreMetric::Xtr, Some(k));
        Ok(Self(Settings { temperature, size_average, score_metric, k, gather_across_devices }.try_into()?))
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use crate::testing;
    use burn::tensor::Device;

    fn texts(rows: &[[f32; 2]]) -> Embeddings {
        testing::texts(rows, &Device::flex())
    }

    fn loss(contrastive: &Contrastive, queries: &Embeddings, documents: &Embeddings) -> f32 {
        contrastive.forward(queries, documents, &Targets::Positives).unwrap().into_scalar()
    }

    // scores = torch.tensor([[1., 0., .5, .5], [0., 1., .5, .5]])
    // torch.nn.functional.cross_entropy(scores / t, torch.tensor([0, 2]), reduction=r)
    #[test]
    fn the_positive_of_a_query_is_the_first_of_its_group() {
        let (queries, documents) =
            (texts(&[[1.0, 0.0], [0.0, 1.0]]), texts(&[[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]));
        let mean = Contrastive::default();
        assert!((loss(&mean, &queries, &documents) - 1.1981986).abs() < 1e-3);
        let sum = Contrastive { size_average: false, ..mean.clone() };
        assert!((loss(&sum, &queries, &documents) - 2.0 * loss(&mean, &queries, &documents)).abs() < 1e-6);
        let sharp = Contrastive { temperature: 0.1, ..mean };
        assert!((loss(&sharp, &queries, &documents) - 2.5134).abs() < 1e-3);
    }

    // scores = XTRScores(k=2)(torch.tensor([[[1., 0.]], [[0., 1.]]]), torch.tensor([[[[1., 0.]], [[.9, 0.]]], [[[.5, .8]], [[0., .7]]]]))
    // torch.nn.functional.cross_entropy(scores, torch.tensor([0, 2]))
    #[test]
    fn with_xtr_only_the_best_of_the_batch_count() {
        let (queries, documents) =
            (texts(&[[1.0, 0.0], [0.0, 1.0]]), texts(&[[1.0, 0.0], [0.9, 0.0], [0.5, 0.8], [0.0, 0.7]]));
        let xtr = Contrastive { score: Score::Xtr { k: 2 }, ..Default::default() };
        assert!((loss(&xtr, &queries, &documents) - 1.0009358).abs() < 1e-6);
    }

    #[test]
    fn a_batch_of_another_form_is_an_error() {
        let (two, three) = (texts(&[[1.0, 0.0]; 2]), texts(&[[1.0, 0.0]; 3]));
        let error = Contrastive::default().forward(&two, &three, &Targets::Positives).unwrap_err();
        assert!(error.to_string().contains("2 queries and 3 documents"), "{error}");
        let error = Contrastive::default().forward(&two, &two, &Targets::Scores(vec![1.0; 2])).unwrap_err();
        assert!(error.to_string().contains("needs columns of text (query, positive, negatives)"), "{error}");
        let cold = Contrastive { temperature: 0.0, ..Default::default() };
        assert!(cold.forward(&two, &two, &Targets::Positives).unwrap_err().to_string().contains("temperature = 0"));
    }
}
