//! How attention's work is laid out: rectangles of queries and keys, with what belongs to each of their scores.

use std::{cmp::Reverse, ops::Range};

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::RelativeBias;
use crate::{
    Spans,
    dropout::Masks,
    padded::{Row, indices_tensor},
};

/// Queries of local attention that share their keys; as many as the window when that is larger.
const BLOCK: usize = 64;

/// Rows of equally many queries, each with equally many keys.
pub(super) struct Rectangle {
    pub rows: Vec<Block>,
    /// Places for queries, per row.
    pub queries: usize,
    /// Places for keys, per row.
    pub keys: usize,
    /// How many of the query places are attended from at once; all of them when there is more than one row.
    pub block: usize,
    /// Where the first key place lies from the first query place, in tokens: 0 or less.
    reach: i64,
}

/// Queries of a sequence, from one on.
pub(super) struct Block {
    sequence: usize,
    first: usize,
}

/// Scores that must not count.
pub(super) struct Hidden {
    /// `[rows, 1, queries or 1, keys]`.
    pub places: Tensor<4, Bool>,
    /// Whether there is a query without any key.
    pub whole_rows: bool,
}

/// All queries of the sequences, in rectangles of at most so many scores, where one query has not more already.
pub(super) fn rectangles(spans: &Spans, heads: usize, window: Option<usize>, scores: usize) -> Vec<Rectangle> {
    let local = window.map(|window| (window, window.max(BLOCK)));
    let is_cut = |sequence: usize| local.is_some_and(|(window, block)| spans.length(sequence) > block + 2 * window);
    let (cut, whole): (Vec<usize>, Vec<usize>) =
        (0..spans.len()).filter(|&sequence| spans.length(sequence) > 0).partition(|&sequence| is_cut(sequence));
    let fit = |queries: usize, keys: usize| (scores / heads.max(1) / keys / queries).max(1);

    let mut rectangles = Vec::new();
    for sequences in buckets(spans, whole) {
        let places = |sequences: &[usize], count: fn(&Spans, usize) -> usize| {
            sequences.iter().map(|&sequence| count(spans, sequence)).max().unwrap_or(0).max(1)
        };
        let most = fit(places(&sequences, Spans::length), places(&sequences, Spans::keys));
        for sequences in sequences.chunks(most) {
            let (queries, keys) = (places(sequences, Spans::length), places(sequences, Spans::keys));
            let rows: Vec<Block> = sequences.iter().map(|&sequence| Block { sequence, first: 0 }).collect();
            let block = if rows.len() == 1 { fit(1, keys).min(queries) } else { queries };
            rectangles.push(Rectangle { rows, queries, keys, block, reach: 0 });
        }
    }
    if let Some((window, block)) = local {
        let (queries, keys) = (block, block + 2 * window);
        let blocks =
            |&sequence: &usize| (0..spans.length(sequence)).step_by(block).map(move |first| Block { sequence, first });
        let mut blocks = cut.iter().flat_map(blocks).peekable();
        while blocks.peek().is_some() {
            let rows = blocks.by_ref().take(fit(queries, keys)).collect();
            rectangles.push(Rectangle { rows, queries, keys, block: queries, reach: -(window as i64) });
        }
    }
    rectangles
}

impl Block {
    /// The tokens of its queries, of at most so many places.
    pub fn queries(&self, spans: &Spans, places: usize) -> Range<usize> {
        let Range { start, end } = spans.range(self.sequence);
        start + self.first..end.min(start + self.first + places)
    }
}

impl Rectangle {
    /// Where the queries lie in the run.
    pub fn query_rows(&self, spans: &Spans) -> Vec<Row> {
        self.rows.iter().map(|block| Row { lead: 0, tokens: block.queries(spans, self.queries) }).collect()
    }

    /// Where the keys lie in the run.
    pub fn key_rows(&self, spans: &Spans) -> Vec<Row> {
        let row = |block: &Block| {
            let start = spans.range(block.sequence).start;
            let (lead, keys) = self.keys_of(block, spans);
            Row { lead, tokens: start + keys.start..start + keys.end }
        };
        self.rows.iter().map(row).collect()
    }

    /// The keys of a row, by their position in the sequence, and how many empty places are before them.
    fn keys_of(&self, block: &Block, spans: &Spans) -> (usize, Range<usize>) {
        let first = block.first as i64 + self.reach;
        let end = spans.keys(block.sequence).min((first + self.keys as i64).max(0) as usize);
        ((-first).max(0) as usize, (first.max(0) as usize).min(end)..end)
    }

    /// What the bias adds to the scores of these query places, `[1, heads, places, keys]`. It is the same for all rows.
    pub fn bias(&self, bias: &RelativeBias, places: Range<usize>) -> Tensor<4> {
        let [_, heads] = bias.table.dims();
        let (queries, keys) = (places.len(), self.keys);
        let mut buckets = Vec::with_capacity(queries * keys);
        for query in places {
            let nearest = self.reach - query as i64;
            buckets.extend((0..keys as i64).map(|key| (bias.bucket)(nearest + key) as i32));
        }
        let buckets = indices_tensor(buckets, &bias.table.device());
        bias.table.clone().select(0, buckets).reshape([1, queries, keys, heads]).permute([0, 3, 1, 2])
    }

    /// Which scores of these query places must not count: places without a key, keys out of the window. `None` when all count.
    pub fn hidden(
        &self,
        spans: &Spans,
        window: Option<usize>,
        places: Range<usize>,
        device: &Device,
    ) -> Option<Hidden> {
        let far = |block: &Block| window.is_some_and(|window| spans.length(block.sequence) > window + 1);
        let by_query = self.rows.iter().any(far);
        let (window, lines) = if by_query { (window, places.len()) } else { (None, 1) };
        let mut hidden = vec![true; self.rows.len() * lines * self.keys];
        let (mut some, mut whole_rows) = (false, false);
        for (block, hidden) in self.rows.iter().zip(hidden.chunks_exact_mut(lines * self.keys)) {
            let (lead, keys) = self.keys_of(block, spans);
            for (line, hidden) in hidden.chunks_exact_mut(self.keys).enumerate() {
                let query = block.first + places.start + line;
                let near = window.map_or(keys.clone(), |window| {
                    let end = keys.end.min(query.saturating_add(window).saturating_add(1));
                    keys.start.max(query.saturating_sub(window)).min(end)..end
                });
                let skipped = lead + near.start - keys.start;
                hidden[skipped..skipped + near.len()].fill(false);
                some |= near.len() < self.keys;
                whole_rows |= near.is_empty() && query < spans.length(block.sequence);
            }
        }
        let shape = [self.rows.len(), 1, lines, self.keys];
        some.then(|| Hidden { places: Tensor::from_data(TensorData::new(hidden, shape), device), whole_rows })
    }

    /// What dropout multiplies the weights of these query places with, `[rows, heads, places, keys]`. A weight is found by its head, query
    /// and key within its text, so that the layout does not matter.
    pub fn dropout(
        &self,
        masks: Masks,
        spans: &Spans,
        heads: usize,
        places: Range<usize>,
        device: &Device,
    ) -> Tensor<4> {
        let (rows, queries, width) = (self.rows.len(), places.len(), self.keys);
        let mut mask = vec![0.0; rows * heads * queries * width];
        for (row, block) in self.rows.iter().enumerate() {
            let (lead, keys) = self.keys_of(block, spans);
            let length = spans.length(block.sequence);
            for head in 0..heads {
                for line in 0..queries.min(length.saturating_sub(block.first + places.start)) {
                    let query = block.first + places.start + line;
                    let start = ((row * heads + head) * queries + line) * width + lead;
                    let weight = (head * length + query) * length + keys.start;
                    masks.fill(block.sequence, weight, &mut mask[start..start + keys.len()]);
                }
            }
        }
        Tensor::from_data(TensorData::new(mask, [rows, heads, queries, width]), device)
    }
}

/// Sequences of similar length together: within a bucket the shortest has at least three quarters of the longest one's tokens.
fn buckets(spans: &Spans, mut sequences: Vec<usize>) -> Vec<Vec<usize>> {
    sequences.sort_by_key(|&sequence| Reverse(spans.length(sequence)));
    let mut buckets: Vec<Vec<usize>> = Vec::new();
    for sequence in sequences {
        match buckets.last_mut() {
            Some(bucket) if 4 * spans.length(sequence) >= 3 * spans.length(bucket[0]) => bucket.push(sequence),
            _ => buckets.push(vec![sequence]),
        }
    }
    for bucket in &mut buckets {
        bucket.sort_unstable();
    }
    buckets.sort_unstable_by_key(|bucket| bucket[0]);
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_bound_the_padding() {
        let spans = Spans::from_lengths(&[32, 32, 100, 180, 0, 140, 24]);
        assert_eq!(buckets(&spans, vec![0, 1, 2, 3, 5, 6]), [vec![0, 1, 6], vec![2], vec![3, 5]]);
    }

    #[test]
    fn scores_are_bounded() {
        let spans = Spans::with_keys(&[8192, 700, 32, 32, 31], &[8192, 700, 9, 12, 31]).unwrap();
        for window in [None, Some(64), Some(200)] {
            for scores in [1 << 14, 1 << 17, 1 << 20] {
                let mut tokens = 0;
                for rectangle in rectangles(&spans, 2, window, scores) {
                    let at_once = 2 * rectangle.rows.len() * rectangle.block * rectangle.keys;
                    assert!(at_once <= scores || (rectangle.rows.len() == 1 && window.is_some()), "{at_once}");
                    if window.is_some() {
                        assert!(rectangle.keys <= 600 && at_once <= scores.max(2 * 200 * 600), "{at_once}");
                    }
                    tokens += rectangle.query_rows(&spans).iter().map(|row| row.tokens.len()).sum::<usize>();
                }
                assert_eq!(tokens, spans.tokens());
            }
        }
    }
}
