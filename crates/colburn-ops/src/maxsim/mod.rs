//! MaxSim, the score of late interaction (Khattab and Zaharia 2020): the sum over query tokens of the best product with a document token.
//!
//! On the CPU backend flex it is one kernel that keeps no products. Elsewhere it is composed: all pairs go through one product of query
//! tokens with document tokens; its size is query tokens × padded document tokens.

use burn::tensor::{Device, Tensor, TensorData};

#[cfg(feature = "flex")]
use crate::fused;
use crate::{Embeddings, Error, Result, padded::Padded};

/// What becomes of document tokens that do not count in scoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaskRule {
    /// Their products count as 0, as in PyLate (`colbert_scores`): a document that has such a token, or that PyLate would have padded
    /// ([`Embeddings::floor`]), has no maximum below 0.
    #[default]
    Zero,
    /// They are left out, as in sentence-transformers 6.
    Ignore,
}

/// Below any product of real vectors, and far enough from overflow to be added to one.
const LOWEST: f32 = -1e30;

/// MaxSim of every query with every document, `[queries, documents]`.
///
/// Query tokens whose mask is off add nothing. A document without a token that counts scores 0.
///
/// # Errors
/// When the widths differ.
pub fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
    check(queries, documents)?;
    if queries.spans.tokens() == 0 || documents.spans.tokens() == 0 {
        return Ok(Tensor::zeros([queries.len(), documents.len()], &queries.values.device()));
    }
    #[cfg(feature = "flex")]
    if fused_here(queries, documents) {
        return Ok(fused::maxsim(queries, documents, rule, false));
    }
    Ok(composed(queries, documents, rule))
}

/// [`maxsim`] of Burn's operations; there are tokens on both sides.
pub(crate) fn composed(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Tensor<2> {
    let device = queries.values.device();
    let all: Vec<usize> = (0..documents.len()).collect();
    let padded = Padded::new(&documents.spans, &all);
    let (query_tokens, rows, width) = (queries.spans.tokens(), padded.rows(), padded.width);
    let products = queries.values.clone().matmul(padded.gather(documents.values.clone()).transpose());
    let products = products.reshape([query_tokens, rows, width]);
    let products = match unused(&padded, documents, &device) {
        Some(unused) => {
            products.mask_fill(unused.reshape([1, rows, width]).expand([query_tokens, rows, width]), LOWEST)
        }
        None => products,
    };
    let best = products.max_dim(2).reshape([query_tokens, rows]);
    let best = match floors(documents, &all, rule, &device) {
        Some(floors) => best.max_pair(floors.reshape([1, rows]).expand([query_tokens, rows])),
        None => best,
    };
    membership(queries, &device).matmul(best)
}

/// MaxSim of each query with the documents of its own group, `[queries, documents / queries]`: query `i` with the documents
/// `i · n … (i + 1) · n`.
///
/// # Errors
/// When the widths differ, or the documents do not divide evenly among the queries.
pub fn maxsim_pairs(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Result<Tensor<2>> {
    check(queries, documents)?;
    let count = queries.len();
    if count == 0 || !documents.len().is_multiple_of(count) {
        return Err(Error::Groups { queries: count, documents: documents.len() });
    }
    if queries.spans.tokens() == 0 || documents.spans.tokens() == 0 {
        return Ok(Tensor::zeros([count, documents.len() / count], &queries.values.device()));
    }
    #[cfg(feature = "flex")]
    if fused_here(queries, documents) {
        return Ok(fused::maxsim(queries, documents, rule, true));
    }
    Ok(pairs_composed(queries, documents, rule))
}

/// [`maxsim_pairs`] of Burn's operations; there are tokens on both sides, and the documents divide evenly among the queries.
pub(crate) fn pairs_composed(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Tensor<2> {
    let (count, device) = (queries.len(), queries.values.device());
    let group = documents.len() / count;
    let (query_rows, document_rows): (Vec<usize>, Vec<usize>) = ((0..count).collect(), (0..documents.len()).collect());
    let (left, right) = (Padded::new(&queries.spans, &query_rows), Padded::new(&documents.spans, &document_rows));
    let dim = queries.dim();
    let q = left.gather(queries.values.clone()).reshape([count, left.width, dim]);
    let d = right.gather(documents.values.clone()).reshape([count, group * right.width, dim]);
    let shape = [count, left.width, group, right.width];
    let products = q.matmul(d.swap_dims(1, 2)).reshape(shape);
    let products = match unused(&right, documents, &device) {
        Some(unused) => products.mask_fill(unused.reshape([count, 1, group, right.width]).expand(shape), LOWEST),
        None => products,
    };
    let best = products.max_dim(3).reshape([count, left.width, group]);
    let best = match floors(documents, &document_rows, rule, &device) {
        Some(floors) => best.max_pair(floors.reshape([count, 1, group]).expand([count, left.width, group])),
        None => best,
    };
    let counts = |sequence: usize, place: usize| queries.mask[queries.spans.range(sequence).start + place];
    let best = match left.unused(&device, counts) {
        Some(unused) => best.mask_fill(unused.reshape([count, left.width, 1]).expand([count, left.width, group]), 0.0),
        None => best,
    };
    best.sum_dim(1).reshape([count, group])
}

/// Whether both lie where the kernel runs.
#[cfg(feature = "flex")]
fn fused_here(queries: &Embeddings, documents: &Embeddings) -> bool {
    queries.dim() > 0 && fused::runs_on(&queries.values) && fused::runs_on(&documents.values)
}

/// Whether the parts of both go together, and both have the same width.
pub(crate) fn check(queries: &Embeddings, documents: &Embeddings) -> Result<()> {
    queries.check()?;
    documents.check()?;
    match (queries.dim(), documents.dim()) {
        (queries, documents) if queries != documents => Err(Error::Dimensions { queries, documents }),
        _ => Ok(()),
    }
}

/// Places of documents that hold no token that counts.
fn unused(padded: &Padded, documents: &Embeddings, device: &Device) -> Option<Tensor<2, burn::tensor::Bool>> {
    padded.unused(device, |sequence, place| documents.mask[documents.spans.range(sequence).start + place])
}

/// The least value that a maximum over this document can take.
pub(crate) fn least(documents: &Embeddings, document: usize, rule: MaskRule) -> f32 {
    let tokens = &documents.mask[documents.spans.range(document)];
    let nothing_counts = !tokens.contains(&true);
    let floored = rule == MaskRule::Zero && (documents.floor[document] || tokens.contains(&false));
    if nothing_counts || floored { 0.0 } else { f32::NEG_INFINITY }
}

/// The least values of all documents; `None` when none of them has one.
fn floors(documents: &Embeddings, rows: &[usize], rule: MaskRule, device: &Device) -> Option<Tensor<1>> {
    let floors: Vec<f32> = rows.iter().map(|&row| least(documents, row, rule).max(2.0 * LOWEST)).collect();
    let some = floors.contains(&0.0);
    some.then(|| Tensor::from_data(TensorData::new(floors, [rows.len()]), device))
}

/// `[queries, query tokens]`: 1 where the token belongs to the query and counts.
pub(crate) fn membership(queries: &Embeddings, device: &Device) -> Tensor<2> {
    let (count, tokens) = (queries.len(), queries.spans.tokens());
    let mut members = vec![0f32; count * tokens];
    for query in 0..count {
        for token in queries.spans.range(query) {
            members[query * tokens + token] = f32::from(queries.mask[token]);
        }
    }
    Tensor::from_data(TensorData::new(members, [count, tokens]), device)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::Spans;
    use burn::tensor::{Distribution, Tolerance};

    fn draw(lengths: &[usize], masked: &[usize], device: &Device) -> Embeddings {
        let spans = Spans::from_lengths(lengths);
        let values = Tensor::random([spans.tokens(), 4], Distribution::Normal(-0.3, 1.0), device).require_grad();
        let mut embeddings = Embeddings::new(values, spans).unwrap();
        for &token in masked {
            embeddings.mask[token] = false;
        }
        embeddings
    }

    /// The slow twin, straight from PyLate's definition: a document is padded, and masked products are multiplied by 0.
    fn slow(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Vec<Vec<f32>> {
        let rows = |embeddings: &Embeddings| -> Vec<Vec<f32>> {
            let flat = embeddings.values.clone().inner().into_data().try_into_vec::<f32>().unwrap();
            flat.chunks(embeddings.dim()).map(<[f32]>::to_vec).collect()
        };
        let (q, d) = (rows(queries), rows(documents));
        let score = |query: usize, document: usize| -> f32 {
            let tokens = queries.spans.range(query).filter(|&token| queries.mask[token]);
            tokens
                .map(|i| {
                    let products = documents.spans.range(document).filter_map(|j| {
                        let product: f32 = q[i].iter().zip(&d[j]).map(|(a, b)| a * b).sum();
                        match (documents.mask[j], rule) {
                            (true, _) => Some(product),
                            (false, MaskRule::Zero) => Some(0.0),
                            (false, MaskRule::Ignore) => None,
                        }
                    });
                    let padding = (rule == MaskRule::Zero && documents.floor[document]).then_some(0.0);
                    products.chain(padding).reduce(f32::max).unwrap_or(0.0)
                })
                .sum()
        };
        (0..queries.len()).map(|i| (0..documents.len()).map(|j| score(i, j)).collect()).collect()
    }

    fn assert_close(scores: Tensor<2>, expected: Vec<Vec<f32>>) {
        let shape = [expected.len(), expected[0].len()];
        let expected = TensorData::new(expected.concat(), shape);
        scores.into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
    }

    #[test]
    fn agrees_with_the_slow_twin() {
        let device = Device::flex().autodiff();
        device.seed(11);
        let queries = draw(&[4, 1, 6], &[3, 9], &device);
        let mut documents = draw(&[3, 7, 1, 5, 5, 2], &[4, 10, 21, 22], &device);
        documents.floor = vec![true, false, true, false, false, false];
        for rule in [MaskRule::Zero, MaskRule::Ignore] {
            let expected = slow(&queries, &documents, rule);
            assert_close(maxsim(&queries, &documents, rule).unwrap().inner(), expected.clone());
            let groups = (0..3).map(|i| expected[i][2 * i..2 * i + 2].to_vec()).collect();
            assert_close(maxsim_pairs(&queries, &documents, rule).unwrap().inner(), groups);
        }
    }

    #[test]
    fn the_gradient_reaches_the_best_token_only() {
        let device = Device::flex().autodiff();
        let tensor = |rows: [[f32; 2]; 2]| Tensor::<2>::from_data(rows, &device).require_grad();
        let queries = Embeddings::new(tensor([[1.0, 0.0], [0.0, 1.0]]), Spans::from_lengths(&[2])).unwrap();
        let mut documents = Embeddings::new(tensor([[0.5, -1.0], [0.25, -2.0]]), Spans::from_lengths(&[2])).unwrap();
        documents.floor = vec![true];
        let gradients = maxsim(&queries, &documents, MaskRule::Zero).unwrap().sum().backward();
        let gradient = documents.values.grad(&gradients).unwrap().into_data();
        gradient.assert_eq(&TensorData::from([[1.0f32, 0.0], [0.0, 0.0]]), true);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors() {
        let device = Device::flex();
        let queries = Embeddings::new(Tensor::zeros([2, 4], &device), Spans::from_lengths(&[1, 1])).unwrap();
        let documents = Embeddings::new(Tensor::zeros([3, 4], &device), Spans::from_lengths(&[1, 1, 1])).unwrap();
        assert!(matches!(maxsim_pairs(&queries, &documents, MaskRule::Zero), Err(Error::Groups { .. })));
        let narrow = Embeddings::new(Tensor::zeros([1, 3], &device), Spans::from_lengths(&[1])).unwrap();
        assert!(matches!(maxsim(&queries, &narrow, MaskRule::Zero), Err(Error::Dimensions { .. })));
        assert!(Embeddings::new(Tensor::zeros([3, 4], &device), Spans::from_lengths(&[1, 1])).is_err());
        let unmasked = Embeddings { mask: Vec::new(), ..queries.clone() };
        assert!(matches!(maxsim(&queries, &unmasked, MaskRule::Zero), Err(Error::Length { .. })));
    }
}
