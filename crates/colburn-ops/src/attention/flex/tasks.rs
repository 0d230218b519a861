//! The tasks of a batch, and the memory that each of them writes: the columns of a head in the rows of a sequence.

use std::sync::Arc;

use pulp::Arch;
use rayon::prelude::*;

use super::{
    backward::Backward,
    bias::{Buckets, distances},
    forward::Forward,
    head::{Head, Rows},
};
use crate::cpu::array::Array;
use crate::cpu::parallel::by_rows;
use crate::masks::Masks;
use crate::spans::Spans;

/// The settings of attention that a node of the graph keeps.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub spans: Arc<Spans>,
    pub heads: usize,
    pub window: Option<usize>,
    pub masks: Option<Masks>,
    pub buckets: Option<Arc<Buckets>>,
    pub arch: Arch,
}

/// q, k and v: rows of `hidden` numbers each, which lie in arrays of their own or in one.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    /// The array, and the first column.
    by_name: [(&'a Array, usize); 3],
    hidden: usize,
    packed: bool,
}

impl<'a> Factors<'a> {
    /// The factors among the inputs of a kernel, and the table of a bias, which may follow them.
    pub fn of(inputs: &'a [Array]) -> (Self, Option<&'a Array>) {
        if let [q, k, v, rest @ ..] = inputs {
            let [_, hidden] = q.rows();
            return (Self { by_name: [(q, 0), (k, 0), (v, 0)], hidden, packed: false }, rest.first());
        }
        let hidden = inputs[0].rows()[1] / 3;
        let by_name = [0, 1, 2].map(|part| (&inputs[0], part * hidden));
        (Self { by_name, hidden, packed: true }, inputs.get(1))
    }

    /// Numbers in a row of the arrays.
    fn width(&self) -> usize {
        if self.packed { 3 * self.hidden } else { self.hidden }
    }
}

/// Attention of a batch.
pub(super) struct Tasks<'a> {
    pub setting: &'a Setting,
    pub factors: Factors<'a>,
    /// The bias by head and distance in the longest sequence.
    pub bias: Option<Vec<f32>>,
    pub bias_table: Option<&'a Array>,
}

pub(super) struct Gradients {
    /// By each of the arrays that the factors lie in.
    pub arrays: Vec<Array>,
    pub by_table: Option<Array>,
}

impl Tasks<'_> {
    fn spans(&self) -> &Spans {
        &self.setting.spans
    }

    /// Numbers of a head in a row.
    fn head_dim(&self) -> usize {
        self.factors.hidden / self.setting.heads
    }

    fn head(&self, sequence: usize, head: usize) -> Head<'_> {
        let (spans, width) = (self.spans(), self.head_dim());
        let first = spans.range(sequence).start;
        let [q, k, v] = self.factors.by_name.map(|(values, column)| {
            let stride = self.factors.width();
            Rows { values, stride, start: first * stride + column + head * width, width }
        });
        let bias = self.bias.as_ref().map(|bias| {
            let longest = spans.max_length();
            (&bias[head * distances(longest)..][..distances(longest)], longest - 1)
        });
        Head {
            q,
            k,
            v,
            length: spans.length(sequence),
            keys: spans.keys(sequence),
            window: self.setting.window,
            masks: self.setting.masks.as_ref(),
            text: sequence,
            head,
            bias,
        }
    }

    /// The result, and the statistics of each softmax, by sequence, head and token.
    pub fn forward(&self) -> (Array, Vec<[f32; 2]>) {
        let (tokens, heads, hidden) = (self.spans().tokens(), self.setting.heads, self.factors.hidden);
        let mut out = by_rows(tokens, hidden, |_, _| ());
        let mut sums = vec![[0.0; 2]; tokens * heads];
        let of_sequences = by_sequence(self.spans(), hidden, &mut out).into_par_iter();
        of_sequences.zip(by_sequence(self.spans(), heads, &mut sums)).for_each(|((sequence, out), (_, sums))| {
            let of_heads = by_head(out, hidden, self.head_dim()).into_par_iter();
            let sums = sums.par_chunks_mut(self.spans().length(sequence));
            of_heads.zip(sums).enumerate().for_each(|(head, (out, sums))| {
                Forward { head: self.head(sequence, head), out, sums }.run(self.setting.arch);
            });
        });
        (Array::new(out, [tokens, hidden]), sums)
    }

    /// The gradients, from that by the result.
    pub fn backward(&self, out: &Array, gradient: &Array, sums: &[[f32; 2]]) -> Gradients {
        let (spans, heads) = (self.spans(), self.setting.heads);
        let (tokens, hidden, width) = (spans.tokens(), self.factors.hidden, self.factors.width());
        let mut arrays: Vec<Vec<f32>> = (0..3 * hidden / width).map(|_| by_rows(tokens, width, |_, _| ())).collect();
        // Of each sequence its rows of every array.
        let mut rows: Vec<(usize, Vec<&mut [f32]>)> = Vec::new();
        for array in &mut arrays {
            for (place, (sequence, part)) in by_sequence(spans, width, array).into_iter().enumerate() {
                match rows.get_mut(place) {
                    Some((_, parts)) => parts.push(part),
                    None => rows.push((sequence, vec![part])),
                }
            }
        }
        let by_sequence = rows.into_par_iter().map(|(sequence, parts)| {
            let (first, length) = (spans.range(sequence).start, spans.length(sequence));
            let sums = &sums[first * heads..][..length * heads];
            let distances = if self.bias.is_some() { distances(length) } else { 0 };
            let mut by_bias = vec![0.0; heads * distances];
            let mut of_bias: Vec<&mut [f32]> = if distances == 0 {
                (0..heads).map(|_| Default::default()).collect()
            } else {
                by_bias.chunks_exact_mut(distances).collect()
            };
            // Columns of q of every head, then of k, then of v.
            let columns = parts.into_iter().flat_map(|part| by_head(part, width, self.head_dim()));
            let mut columns: Vec<Vec<&mut [f32]>> = columns.collect();
            let by_v = columns.split_off(2 * heads);
            let by_k = columns.split_off(heads);
            let columns = columns.into_par_iter().zip(by_k).zip(by_v).zip(&mut of_bias);
            columns.enumerate().for_each(|(head, (((by_q, by_k), by_v), by_bias))| {
                let rows = |values| {
                    let start = first * hidden + head * self.head_dim();
                    Rows { values, stride: hidden, start, width: self.head_dim() }
                };
                let task = Backward {
                    head: self.head(sequence, head),
                    out: rows(out),
                    gradient: rows(gradient),
                    sums: &sums[head * length..][..length],
                    by: [by_q, by_k, by_v],
                    by_bias,
                };
                task.run(self.setting.arch);
            });
            (length, by_bias)
        });
        let by_sequence: Vec<(usize, Vec<f32>)> = by_sequence.collect();
        let table = self.bias_table.zip(self.setting.buckets.as_ref());
        let by_table = table.map(|(table, buckets)| buckets.by_table(&by_sequence, table.shape()));
        Gradients { arrays: arrays.into_iter().map(|array| Array::new(array, [tokens, width])).collect(), by_table }
    }
}

/// The rows of each sequence that has any, with its number.
fn by_sequence<'a, T>(spans: &Spans, width: usize, mut values: &'a mut [T]) -> Vec<(usize, &'a mut [T])> {
    let mut parts = Vec::with_capacity(spans.len());
    for (sequence, length) in spans.lengths().enumerate().filter(|&(_, length)| length > 0) {
        let (part, rest) = values.split_at_mut(length * width);
        parts.push((sequence, part));
        values = rest;
    }
    parts
}

/// The columns of each head in rows of this width: a slice of every row.
fn by_head(rows: &mut [f32], width: usize, head_dim: usize) -> Vec<Vec<&mut [f32]>> {
    let count = rows.len() / width;
    let mut heads: Vec<Vec<&mut [f32]>> = (0..width / head_dim).map(|_| Vec::with_capacity(count)).collect();
    for row in rows.chunks_exact_mut(width) {
        for (head, columns) in heads.iter_mut().zip(row.chunks_exact_mut(head_dim)) {
            head.push(columns);
        }
    }
    heads
}
