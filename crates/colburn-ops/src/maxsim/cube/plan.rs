//! The tokens that count and the pairs that are scored, as one list of integers for the kernels, which is uploaded once a call.

use burn_cubecl::{CubeDevice, tensor::CubeTensor};

use crate::cube::array::upload;
use crate::embeddings::Embeddings;
use crate::maxsim::mask_rule::{MaskRule, least};

/// The mark of a row that is not, and of a maximum that is not a product.
pub(crate) const NONE: u32 = u32::MAX;

/// Integers of a document's record.
pub(crate) const RECORD: u32 = 6;

/// Places in a document's record: its first token among those that count, its first row, the first query token that it meets, the number of
/// those, the place of their maxima, and 1 if no maximum is below 0. The first two are also those of the end of the document before.
pub(crate) const TOKENS: u32 = 0;
pub(crate) const ROWS: u32 = 1;
pub(crate) const FIRST: u32 = 2;
pub(crate) const MET: u32 = 3;
pub(crate) const MAXIMA: u32 = 4;
pub(crate) const FLOOR: u32 = 5;

/// The plan of a call.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// All lists, one behind the other.
    pub lists: CubeTensor,
    /// Where each of them begins.
    pub at: Places,
    /// Numbers of queries and of scores of each.
    pub shape: [usize; 2],
    /// Distance from a query to the next, in scores.
    pub stride: usize,
    /// Number of documents.
    pub documents: usize,
    /// The most query tokens that a document meets.
    pub most_met: usize,
    /// The most rows of a document.
    pub most_rows: usize,
    /// Number of maxima.
    pub maxima: usize,
}

/// The beginnings of the lists.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    /// The row of each query token that counts. It begins at 0.
    /// The query of each of them.
    pub queries: u32,
    /// The first of each query, and their number.
    pub offsets: u32,
    /// The place of each row of the queries among those that count.
    pub slots: u32,
    /// The row of each document token that counts.
    pub tokens: u32,
    /// A record for each document, and one for the end.
    pub records: u32,
}

impl Plan {
    /// Every query with every document; with `groups`, each query with as many documents of its own.
    pub fn new(
        queries: &Embeddings,
        documents: &Embeddings,
        rule: MaskRule,
        groups: bool,
        device: &CubeDevice,
    ) -> Self {
        let (query_rows, offsets) = counting(queries);
        let (document_rows, token_offsets) = counting(documents);
        let group = documents.len() / queries.len().max(1);
        let mut at = Places::default();
        let mut lists = query_rows.clone();
        at.queries = lists.len() as u32;
        let of_query = offsets.windows(2).zip(0u32..).flat_map(|(ends, query)| (ends[0]..ends[1]).map(move |_| query));
        lists.extend(of_query);
        at.offsets = lists.len() as u32;
        lists.extend(&offsets);
        at.slots = lists.len() as u32;
        let mut slots = vec![NONE; queries.spans.tokens()];
        query_rows.iter().zip(0..).for_each(|(&row, slot)| slots[row as usize] = slot);
        lists.extend(slots);
        at.tokens = lists.len() as u32;
        lists.extend(document_rows);
        at.records = lists.len() as u32;
        let (mut maxima, mut most_met, mut most_rows) = (0, 0, 0);
        for document in 0..documents.len() {
            let met = if groups {
                offsets[document / group]..offsets[document / group + 1]
            } else {
                0..query_rows.len() as u32
            };
            let rows = documents.spans.range(document);
            let floor = u32::from(least(documents, document, rule) == 0.0);
            lists.extend([token_offsets[document], rows.start as u32, met.start, met.len() as u32, maxima, floor]);
            maxima += met.len() as u32;
            (most_met, most_rows) = (most_met.max(met.len()), most_rows.max(rows.len()));
        }
        lists.extend([token_offsets[documents.len()], documents.spans.tokens() as u32]);
        Self {
            lists: upload(device, &lists),
            at,
            shape: [queries.len(), if groups { group } else { documents.len() }],
            stride: if groups { 0 } else { documents.len() },
            documents: documents.len(),
            most_met,
            most_rows,
            maxima: maxima as usize,
        }
    }
}

/// The rows of the tokens that count, and where those of each text begin and end.
fn counting(texts: &Embeddings) -> (Vec<u32>, Vec<u32>) {
    let mut rows = Vec::with_capacity(texts.mask.len());
    let mut offsets = vec![0];
    for text in 0..texts.len() {
        rows.extend(texts.spans.range(text).filter(|&row| texts.mask[row]).map(|row| row as u32));
        offsets.push(rows.len() as u32);
    }
    (rows, offsets)
}
