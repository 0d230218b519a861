//! The contrastive loss: each query must tell its positive from every other document of the batch.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};
use colburn_ops::{Embeddings, MaskRule, maxsim};

use crate::{Error, Loss, Result, Targets};

/// Cross-entropy over the MaxSim scores of all documents of the batch (`pylate.losses.Contrastive`).
///
/// With N documents a query the label of query `i` is document `i · N`: its positive. Its own negatives, and the positives and negatives
/// of all other queries, are what it is told from.
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
#[derive(Clone, Debug, PartialEq)]
pub struct Contrastive {
    /// Scores are divided by it, 1.0.
    pub temperature: f64,
    /// Whether the losses of the queries are averaged, true, or summed.
    pub size_average: bool,
    /// What becomes of document tokens that do not count; PyLate's rule by default.
    pub mask_rule: MaskRule,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self { temperature: 1.0, size_average: true, mask_rule: MaskRule::Zero }
    }
}

impl Loss for Contrastive {
    fn forward(&self, queries: &Embeddings, documents: &Embeddings, _targets: &Targets) -> Result<Tensor<1>> {
        let (count, total) = (queries.len(), documents.len());
        if count == 0 || total == 0 || !total.is_multiple_of(count) {
            return Err(Error::Groups { queries: count, documents: total });
        }
        self.validate()?;
        let scores = maxsim(queries, documents, self.mask_rule)? / self.temperature;
        let positives: Vec<i32> = (0..count).map(|query| (query * (total / count)) as i32).collect();
        let positives = Tensor::<2, Int>::from_data(TensorData::new(positives, [count, 1]), &scores.device());
        let losses = log_softmax(scores, 1).gather(1, positives).neg();
        Ok(if self.size_average { losses.mean() } else { losses.sum() })
    }

    fn validate(&self) -> Result<()> {
        if self.temperature.is_finite() && self.temperature > 0.0 {
            Ok(())
        } else {
            Err(Error::Temperature(self.temperature))
        }
    }

    fn name(&self) -> &'static str {
        "contrastive"
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use colburn_ops::Spans;

    fn texts(rows: &[[f32; 2]]) -> Embeddings {
        let values = Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 2]), &Device::flex());
        Embeddings::new(values, Spans::from_lengths(&vec![1; rows.len()])).unwrap()
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

    #[test]
    fn a_batch_of_another_form_is_an_error() {
        let (two, three) = (texts(&[[1.0, 0.0]; 2]), texts(&[[1.0, 0.0]; 3]));
        let error = Contrastive::default().forward(&two, &three, &Targets::Positives).unwrap_err();
        assert!(error.to_string().contains("2 queries and 3 documents"), "{error}");
        let cold = Contrastive { temperature: 0.0, ..Default::default() };
        assert!(cold.forward(&two, &two, &Targets::Positives).unwrap_err().to_string().contains("temperature = 0"));
    }
}
