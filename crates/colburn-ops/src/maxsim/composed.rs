//! MaxSim made of Burn's operations: all pairs go through one product of query tokens with document tokens, whose size is query tokens ×
//! padded document tokens.

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::mask_rule::{MaskRule, least};
use crate::embeddings::Embeddings;
use crate::padded::Padded;

/// Below any product of real vectors, and far enough from overflow to be added to one.
const LOWEST: f32 = -1e30;

/// MaxSim of every query with every document, `[queries, documents]`. Both sides have tokens.
pub(super) fn maxsim(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Tensor<2> {
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

/// MaxSim of each query with its own documents, `[queries, documents / queries]`. Both sides have tokens, and the documents divide evenly
/// among the queries.
pub(super) fn maxsim_pairs(queries: &Embeddings, documents: &Embeddings, rule: MaskRule) -> Tensor<2> {
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

/// Places of documents that hold no token that counts.
fn unused(padded: &Padded, documents: &Embeddings, device: &Device) -> Option<Tensor<2, Bool>> {
    padded.unused(device, |sequence, place| documents.mask[documents.spans.range(sequence).start + place])
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
