//! The one place where padding exists: tokens of a run laid out as rows of equal width, for operations that need a rectangle.

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::spans::Spans;

/// Some sequences of a run, each given the same number of places.
pub(crate) struct Padded<'a> {
    spans: &'a Spans,
    sequences: &'a [usize],
    /// Places per sequence.
    pub width: usize,
}

impl<'a> Padded<'a> {
    /// As many places as the longest of the sequences has tokens, and at least one.
    pub fn new(spans: &'a Spans, sequences: &'a [usize]) -> Self {
        let width = sequences.iter().map(|&sequence| spans.length(sequence)).max().unwrap_or(0).max(1);
        Self { spans, sequences, width }
    }

    /// Number of sequences.
    pub fn rows(&self) -> usize {
        self.sequences.len()
    }

    /// `[tokens, dim]` to `[rows · width, dim]`. A place without a token holds some other token's vector, which the caller masks.
    pub fn gather(&self, values: Tensor<2>) -> Tensor<2> {
        let row = |&sequence: &usize| Row { lead: 0, tokens: self.spans.range(sequence) };
        let rows: Vec<Row> = self.sequences.iter().map(row).collect();
        Selection::new(&rows, self.width, self.spans.tokens(), &values.device()).of(values)
    }

    /// The places without a token and those where `counts(sequence, place)` is false, `[rows, width]`. `None` if there are none.
    pub fn unused(&self, device: &Device, counts: impl Fn(usize, usize) -> bool) -> Option<Tensor<2, Bool>> {
        let mut unused = Vec::with_capacity(self.rows() * self.width);
        for &sequence in self.sequences {
            let length = self.spans.length(sequence);
            unused.extend((0..self.width).map(|place| place >= length || !counts(sequence, place)));
        }
        let some = unused.iter().any(|&unused| unused);
        some.then(|| Tensor::from_data(TensorData::new(unused, [self.rows(), self.width]), device))
    }
}

/// A row of a rectangle: empty places, then tokens of the run, then empty places up to the width.
pub(crate) struct Row {
    /// Number of empty places before the tokens.
    pub lead: usize,
    /// The tokens, by their place in the run.
    pub tokens: Range<usize>,
}

/// The rows of a rectangle in a run: a slice where they lie side by side, row numbers otherwise. It can be used for any number of tensors.
#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// The rows of the run from the first number to the second.
    Slice(Range<usize>),
    /// Rows of the run by number.
    Rows(Tensor<1, Int>),
}

impl Selection {
    /// The places of these rows, of `width` each, in a run of so many tokens. An empty place gets some token, which the caller masks.
    pub fn new(rows: &[Row], width: usize, tokens: usize, device: &Device) -> Self {
        if let Some(start) = contiguous(rows, width) {
            return Self::Slice(start..start + rows.len() * width);
        }
        let mut indices = Vec::with_capacity(rows.len() * width);
        for Row { lead, tokens: range } in rows {
            let filler = range.start.min(tokens - 1) as i32;
            indices.resize(indices.len() + lead, filler);
            indices.extend(range.clone().map(|token| token as i32));
            indices.resize(indices.len() + width - lead - range.len(), filler);
        }
        Self::Rows(indices_tensor(indices, device))
    }

    /// `[tokens, dim]` to `[places, dim]`.
    pub fn of(&self, values: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Slice(range) => {
                let [_, dim] = values.dims();
                values.slice([range.clone(), 0..dim])
            }
            Self::Rows(rows) => values.select(0, rows.clone()),
        }
    }
}

/// The start of the rows if they already lie in the run as this rectangle.
fn contiguous(rows: &[Row], width: usize) -> Option<usize> {
    let start = rows.first()?.tokens.start;
    let fits = |(place, row): (usize, &Row)| {
        row.lead == 0 && row.tokens == (start + place * width..start + (place + 1) * width)
    };
    rows.iter().enumerate().all(fits).then_some(start)
}

/// Row numbers as a tensor.
pub(crate) fn indices_tensor(indices: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}
