//! The one place where padding exists: sequences of a run laid out as rows of equal width, for operations that need a rectangle.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::Spans;

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

    /// The sequences.
    pub fn sequences(&self) -> &[usize] {
        self.sequences
    }

    /// Number of sequences.
    pub fn rows(&self) -> usize {
        self.sequences.len()
    }

    /// `[tokens, dim]` to `[rows · width, dim]`; a place without a token holds some other token's vector, to be masked by the caller.
    pub fn gather(&self, values: Tensor<2>) -> Tensor<2> {
        let [_, dim] = values.dims();
        if let Some(start) = self.contiguous() {
            return values.slice([start..start + self.rows() * self.width, 0..dim]);
        }
        let mut indices = Vec::with_capacity(self.rows() * self.width);
        for &sequence in self.sequences {
            let range = self.spans.range(sequence);
            let filler = range.start.min(self.spans.tokens() - 1);
            indices.extend(range.clone().map(|token| token as i32));
            indices.resize(indices.len() + self.width - range.len(), filler as i32);
        }
        let device = values.device();
        values.select(0, indices_tensor(indices, &device))
    }

    /// Which places hold something `counts` says no to: `counts` is asked with (sequence, place) for the places that hold a token.
    /// `None` when every place is in use. Shape `[rows, width]`.
    pub fn unused(&self, device: &Device, counts: impl Fn(usize, usize) -> bool) -> Option<Tensor<2, Bool>> {
        let mut unused = Vec::with_capacity(self.rows() * self.width);
        for &sequence in self.sequences {
            let length = self.spans.length(sequence);
            unused.extend((0..self.width).map(|place| place >= length || !counts(sequence, place)));
        }
        let some = unused.iter().any(|&unused| unused);
        some.then(|| Tensor::from_data(TensorData::new(unused, [self.rows(), self.width]), device))
    }

    /// Where the sequences start when they already lie in the run as this rectangle.
    fn contiguous(&self) -> Option<usize> {
        let start = self.spans.range(*self.sequences.first()?).start;
        let fits = |(row, &sequence): (usize, &usize)| {
            self.spans.range(sequence) == (start + row * self.width..start + (row + 1) * self.width)
        };
        self.sequences.iter().enumerate().all(fits).then_some(start)
    }
}

/// Row numbers as a tensor.
pub(crate) fn indices_tensor(indices: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}
