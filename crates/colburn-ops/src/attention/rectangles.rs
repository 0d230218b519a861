//! The layout of composed attention: rectangles of queries and keys, with the places of their tokens and the scores that do not count. It
//! follows from the spans, so that a batch makes it once for all layers.

use std::{cmp::Reverse, ops::Range};

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::options::RelativeBias;
use crate::masks::Masks;
use crate::padded::{Row, Selection, indices_tensor};
use crate::spans::Spans;

/// Number of queries of local attention that share their keys; the window where that is larger.
const BLOCK: usize = 64;

/// The work of a batch.
#[derive(Debug)]
pub(super) struct Layout {
    pub rectangles: Vec<Rectangle>,
    /// The place of each token among the results of all rectangles; `None` if they are in order.
    pub order: Option<Tensor<1, Int>>,
}

/// Rows of equally many queries, each with equally many keys.
#[derive(Debug)]
pub(super) struct Rectangle {
    pub rows: Vec<Block>,
    /// Number of places for queries in a row.
    pub queries: usize,
    /// Number of places for keys in a row.
    pub keys: usize,
    /// Number of query places that are computed at once; all of them if there is more than one row.
    pub block: usize,
    /// The place of the first key from the first query, in tokens: 0 or less.
    reach: i64,
    /// The rows of the queries in the run, and those of the keys.
    pub query_places: Selection,
    pub key_places: Selection,
    /// The scores of each block of query places that do not count.
    pub hidden: Vec<Option<Hidden>>,
}

/// The shape of a rectangle, before its tensors are made.
struct Shape {
    rows: Vec<Block>,
    queries: usize,
    keys: usize,
    block: usize,
    reach: i64,
}

/// The queries of a sequence from the given one on.
#[derive(Debug)]
pub(super) struct Block {
    sequence: usize,
    first: usize,
}

/// Scores that must not count.
#[derive(Debug)]
pub(super) struct Hidden {
    /// `[rows, 1, queries or 1, keys]`.
    pub places: Tensor<4, Bool>,
    /// The queries without any key, `[rows, 1, queries or 1, 1]`; `None` if there are none.
    pub without_key: Option<Tensor<4, Bool>>,
}

impl Layout {
    /// The layout of these sequences, with at most so many scores at once.
    pub fn new(spans: &Spans, heads: usize, window: Option<usize>, scores: usize, device: &Device) -> Self {
        let mut places = vec![0i32; spans.tokens()];
        let mut start = 0;
        let mut in_order = true;
        let mut rectangles = Vec::new();
        for shape in shapes(spans, heads, window, scores) {
            for (row, block) in shape.rows.iter().enumerate() {
                for (place, token) in block.queries(spans, shape.queries).enumerate() {
                    places[token] = (start + row * shape.queries + place) as i32;
                    in_order &= places[token] == token as i32;
                }
            }
            start += shape.rows.len() * shape.queries;
            rectangles.push(Rectangle::new(shape, spans, window, device));
        }
        let order = !(in_order && start == spans.tokens());
        Self { rectangles, order: order.then(|| indices_tensor(places, device)) }
    }
}

/// All queries of the sequences, in rectangles of at most so many scores, unless one query alone has more.
fn shapes(spans: &Spans, heads: usize, window: Option<usize>, scores: usize) -> Vec<Shape> {
    let local = window.map(|window| (window, window.max(BLOCK)));
    let is_cut = |sequence: usize| local.is_some_and(|(window, block)| spans.length(sequence) > block + 2 * window);
    let (cut, whole): (Vec<usize>, Vec<usize>) =
        (0..spans.len()).filter(|&sequence| spans.length(sequence) > 0).partition(|&sequence| is_cut(sequence));
    let fit = |queries: usize, keys: usize| (scores / heads.max(1) / keys / queries).max(1);

    let mut shapes = Vec::new();
    for sequences in by_length(spans, whole) {
        let places = |sequences: &[usize], count: fn(&Spans, usize) -> usize| {
            sequences.iter().map(|&sequence| count(spans, sequence)).max().unwrap_or(0).max(1)
        };
        let most = fit(places(&sequences, Spans::length), places(&sequences, Spans::keys));
        for sequences in sequences.chunks(most) {
            let (queries, keys) = (places(sequences, Spans::length), places(sequences, Spans::keys));
            let rows: Vec<Block> = sequences.iter().map(|&sequence| Block { sequence, first: 0 }).collect();
            let block = if rows.len() == 1 { fit(1, keys).min(queries) } else { queries };
            shapes.push(Shape { rows, queries, keys, block, reach: 0 });
        }
    }
    if let Some((window, block)) = local {
        let (queries, keys) = (block, block + 2 * window);
        let blocks =
            |&sequence: &usize| (0..spans.length(sequence)).step_by(block).map(move |first| Block { sequence, first });
        let mut blocks = cut.iter().flat_map(blocks).peekable();
        while blocks.peek().is_some() {
            let rows = blocks.by_ref().take(fit(queries, keys)).collect();
            shapes.push(Shape { rows, queries, keys, block: queries, reach: -(window as i64) });
        }
    }
    shapes
}

impl Block {
    /// The tokens of its queries, of at most so many places.
    pub fn queries(&self, spans: &Spans, places: usize) -> Range<usize> {
        let Range { start, end } = spans.range(self.sequence);
        start + self.first..end.min(start + self.first + places)
    }

    /// The keys among so many places from `reach` on, by their position in the sequence, and the number of empty places before them.
    fn keys(&self, spans: &Spans, reach: i64, places: usize) -> (usize, Range<usize>) {
        let first = self.first as i64 + reach;
        let end = spans.keys(self.sequence).min((first + places as i64).max(0) as usize);
        ((-first).max(0) as usize, (first.max(0) as usize).min(end)..end)
    }
}

impl Shape {
    /// The places of the queries in the run.
    fn query_rows(&self, spans: &Spans) -> Vec<Row> {
        self.rows.iter().map(|block| Row { lead: 0, tokens: block.queries(spans, self.queries) }).collect()
    }

    /// The places of the keys in the run.
    fn key_rows(&self, spans: &Spans) -> Vec<Row> {
        let row = |block: &Block| {
            let start = spans.range(block.sequence).start;
            let (lead, keys) = block.keys(spans, self.reach, self.keys);
            Row { lead, tokens: start + keys.start..start + keys.end }
        };
        self.rows.iter().map(row).collect()
    }
}

impl Rectangle {
    fn new(shape: Shape, spans: &Spans, window: Option<usize>, device: &Device) -> Self {
        let tokens = spans.tokens();
        let query_places = Selection::new(&shape.query_rows(spans), shape.queries, tokens, device);
        let key_places = Selection::new(&shape.key_rows(spans), shape.keys, tokens, device);
        let Shape { rows, queries, keys, block, reach } = shape;
        let mut rectangle = Self { rows, queries, keys, block, reach, query_places, key_places, hidden: Vec::new() };
        rectangle.hidden =
            rectangle.blocks().map(|places| rectangle.hidden_scores(spans, window, places, device)).collect();
        rectangle
    }

    /// The query places that are computed at once.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (queries, block) = (self.queries, self.block);
        (0..queries).step_by(block).map(move |first| first..queries.min(first + block))
    }

    /// The buckets of all scores. `None` for a rectangle in several blocks: a long text has too many scores to keep their buckets.
    pub fn buckets(&self, bias: &RelativeBias, device: &Device) -> Option<Tensor<1, Int>> {
        (self.block >= self.queries).then(|| self.buckets_of(bias, 0..self.queries, device))
    }

    /// The buckets of the scores of these query places, `[places · keys]`. They are the same for all rows.
    pub fn buckets_of(&self, bias: &RelativeBias, places: Range<usize>, device: &Device) -> Tensor<1, Int> {
        let mut buckets = Vec::with_capacity(places.len() * self.keys);
        for query in places {
            let nearest = self.reach - query as i64;
            buckets.extend((0..self.keys as i64).map(|key| (bias.bucket)(nearest + key) as i32));
        }
        indices_tensor(buckets, device)
    }

    /// The scores of these query places that must not count: places without a key, keys out of the window. `None` if all count.
    fn hidden_scores(
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
        let mut without_key = Vec::with_capacity(self.rows.len() * lines);
        let (mut some, mut whole_rows) = (false, false);
        for (block, hidden) in self.rows.iter().zip(hidden.chunks_exact_mut(lines * self.keys)) {
            let (lead, keys) = block.keys(spans, self.reach, self.keys);
            for (line, hidden) in hidden.chunks_exact_mut(self.keys).enumerate() {
                let query = block.first + places.start + line;
                let near = window.map_or(keys.clone(), |window| {
                    let end = keys.end.min(query.saturating_add(window).saturating_add(1));
                    keys.start.max(query.saturating_sub(window)).min(end)..end
                });
                let skipped = lead + near.start - keys.start;
                hidden[skipped..skipped + near.len()].fill(false);
                some |= near.len() < self.keys;
                without_key.push(near.is_empty());
                whole_rows |= near.is_empty() && query < spans.length(block.sequence);
            }
        }
        let tensor = |values: Vec<bool>, keys| {
            Tensor::from_data(TensorData::new(values, [self.rows.len(), 1, lines, keys]), device)
        };
        some.then(|| Hidden {
            places: tensor(hidden, self.keys),
            without_key: whole_rows.then(|| tensor(without_key, 1)),
        })
    }

    /// The factors of dropout for the weights of these query places, `[rows, heads, places, keys]`. A weight is found by its head, query and
    /// key within its text, so that the layout does not matter.
    pub fn dropout(
        &self,
        masks: &Masks,
        spans: &Spans,
        heads: usize,
        places: Range<usize>,
        device: &Device,
    ) -> Tensor<4> {
        let (rows, queries, width) = (self.rows.len(), places.len(), self.keys);
        let mut mask = vec![0.0; rows * heads * queries * width];
        for (row, block) in self.rows.iter().enumerate() {
            let (lead, keys) = block.keys(spans, self.reach, self.keys);
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

/// The sequences in groups of similar length: the shortest of a group has at least three quarters of the longest one's tokens.
fn by_length(spans: &Spans, mut sequences: Vec<usize>) -> Vec<Vec<usize>> {
    sequences.sort_by_key(|&sequence| Reverse(spans.length(sequence)));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for sequence in sequences {
        match groups.last_mut() {
            Some(group) if 4 * spans.length(sequence) >= 3 * spans.length(group[0]) => group.push(sequence),
            _ => groups.push(vec![sequence]),
        }
    }
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable_by_key(|group| group[0]);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_bound_the_padding() {
        let spans = Spans::from_lengths(&[32, 32, 100, 180, 0, 140, 24]);
        assert_eq!(by_length(&spans, vec![0, 1, 2, 3, 5, 6]), [vec![0, 1, 6], vec![2], vec![3, 5]]);
    }

    #[test]
    fn scores_are_bounded() {
        let spans = Spans::with_keys(&[8192, 700, 32, 32, 31], &[8192, 700, 9, 12, 31]).unwrap();
        for window in [None, Some(64), Some(200)] {
            for scores in [1 << 14, 1 << 17, 1 << 20] {
                let mut tokens = 0;
                for shape in shapes(&spans, 2, window, scores) {
                    let at_once = 2 * shape.rows.len() * shape.block * shape.keys;
                    assert!(at_once <= scores || (shape.rows.len() == 1 && window.is_some()), "{at_once}");
                    if window.is_some() {
                        assert!(shape.keys <= 600 && at_once <= scores.max(2 * 200 * 600), "{at_once}");
                    }
                    tokens += shape.query_rows(&spans).iter().map(|row| row.tokens.len()).sum::<usize>();
                }
                assert_eq!(tokens, spans.tokens());
            }
        }
    }
}
