//! Queries and documents that are scored many times without a gradient, as a search does: whatever scores need of a text is made once.

use burn::tensor::Tensor;

#[cfg(feature = "cuda")]
use super::cuda;
use super::mask_rule::MaskRule;
use super::scores::scores;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
#[cfg(feature = "cuda")]
use crate::implementation::Implementation;
use crate::precision::Precision;

/// Queries for any number of calls of [`PreparedQueries::scores`].
///
/// On NVIDIA's GPUs their tokens stay on the device as the tensor cores take them: two bytes a number, or four with [`Precision::F32`]. Elsewhere
/// the token vectors are kept as they are.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use colburn_ops::{Embeddings, MaskRule, PreparedDocuments, PreparedQueries, Spans};
///
/// let tokens = Tensor::<2>::from_data([[1.0, 0.0], [0.6, 0.8]], &Device::default());
/// let queries = PreparedQueries::new(Embeddings::new(tokens.clone(), Spans::from_lengths(&[1, 1]))?)?;
/// let documents = PreparedDocuments::new(Embeddings::new(tokens, Spans::from_lengths(&[2]))?, MaskRule::Zero)?;
/// assert_eq!(queries.scores(&documents)?.into_data().try_into_vec::<f32>().unwrap(), [1.0, 1.0]);
/// # }
/// # Ok::<(), colburn_ops::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedQueries {
    queries: Embeddings,
    #[cfg(feature = "cuda")]
    ready: Option<cuda::Prepared>,
}

/// Documents for any number of calls of [`PreparedQueries::scores`]; see there.
#[derive(Clone, Debug)]
pub struct PreparedDocuments {
    form: Form,
    dim: usize,
    precision: Precision,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one for many documents")]
enum Form {
    #[cfg(feature = "cuda")]
    Ready(cuda::Prepared),
    Values(Embeddings, MaskRule),
}

impl PreparedQueries {
    /// Prepares queries.
    ///
    /// # Errors
    /// When the lists and the tensor do not go with the spans.
    pub fn new(queries: Embeddings) -> Result<Self> {
        queries.check()?;
        Ok(Self {
            #[cfg(feature = "cuda")]
            ready: has_kernels(&queries).then(|| cuda::Prepared::queries(&queries)).flatten(),
            queries,
        })
    }

    /// MaxSim of every query with every document, as [`maxsim`](crate::maxsim) gives it, off the graph.
    ///
    /// # Shapes
    /// The result: `[queries, documents]`.
    ///
    /// # Errors
    /// When the widths or the precisions differ.
    pub fn scores(&self, documents: &PreparedDocuments) -> Result<Tensor<2>> {
        let (queries, dim) = (self.queries.dim(), documents.dim);
        if queries != dim {
            return Err(Error::Dimensions { queries, documents: dim });
        }
        let precisions = [self.queries.precision, documents.precision];
        if precisions[0] != precisions[1] {
            let [queries, documents] = precisions.map(|precision| format!("{precision:?}"));
            return Err(Error::Precisions { queries, documents });
        }
        match &documents.form {
            #[cfg(feature = "cuda")]
            Form::Ready(documents) => Ok(match &self.ready {
                Some(queries) => queries.scores(documents),
                // Queries without a token.
                None => Tensor::zeros([self.queries.len(), documents.len()], &self.queries.values.device().inner()),
            }),
            Form::Values(documents, rule) => Ok(scores(&self.queries, documents, *rule, None).inner()),
        }
    }
}

impl PreparedDocuments {
    /// Prepares documents, whose tokens that do not count are treated by this rule.
    ///
    /// # Errors
    /// When the lists and the tensor do not go with the spans.
    pub fn new(documents: Embeddings, rule: MaskRule) -> Result<Self> {
        documents.check()?;
        let (dim, precision) = (documents.dim(), documents.precision);
        #[cfg(feature = "cuda")]
        if let Some(ready) = has_kernels(&documents).then(|| cuda::Prepared::documents(&documents, rule)).flatten() {
            return Ok(Self { form: Form::Ready(ready), dim, precision });
        }
        Ok(Self { form: Form::Values(documents, rule), dim, precision })
    }
}

#[cfg(feature = "cuda")]
fn has_kernels(texts: &Embeddings) -> bool {
    Implementation::of(&texts.values) == Implementation::Cube
}
