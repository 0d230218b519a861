//! Packed attention without a tensor of scores: for every head of every sequence, tiles of scores that live in the caches, forward
//! ([`forward`]) and, computed again, backward ([`backward`]).
//!
//! A task is one head of one sequence. Tasks share nothing that they write to, so that sequences of unequal length, or the heads of a
//! single long one, keep all cores busy, and the result does not depend on how many these are.

mod backward;
mod bias;
mod forward;
mod head;
mod product;
mod tasks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use burn::tensor::Tensor;
use pulp::Arch;

use self::{
    bias::Bucket,
    tasks::{Factors, Gradients, Tasks},
};
use super::{
    apply::{apply_1, apply_2, apply_3, apply_4},
    array::Array,
    kernel::Kernel,
};
use crate::{AttentionOptions, RelativeBias, Spans, dropout::Masks};

/// Attention of `[tokens, hidden]` each.
pub(crate) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    spans: &Spans,
    options: AttentionOptions,
    masks: Option<Masks>,
) -> Tensor<2> {
    let (kernel, table) = Attention::new(spans, options, masks, Arch::new());
    match table {
        Some(table) => apply_4(kernel, q, k, v, table),
        None => apply_3(kernel, q, k, v),
    }
}

/// Attention of q, k and v side by side, `[tokens, 3 · hidden]`.
pub(crate) fn attention_packed(
    qkv: Tensor<2>,
    spans: &Spans,
    options: AttentionOptions,
    masks: Option<Masks>,
) -> Tensor<2> {
    let (kernel, table) = Attention::new(spans, options, masks, Arch::new());
    match table {
        Some(table) => apply_2(kernel, qkv, table),
        None => apply_1(kernel, qkv),
    }
}

#[derive(Clone, Debug)]
struct Attention {
    spans: Arc<Spans>,
    heads: usize,
    window: Option<usize>,
    masks: Option<Masks>,
    bucket: Option<Bucket>,
    arch: Arch,
}

/// What the backward pass needs: the inputs, the output, what each softmax was divided by.
#[derive(Clone, Debug)]
struct Saved<const N: usize> {
    inputs: [Array; N],
    output: Array,
    sums: Arc<Vec<[f32; 2]>>,
}

impl Attention {
    fn new(spans: &Spans, options: AttentionOptions, masks: Option<Masks>, arch: Arch) -> (Self, Option<Tensor<2>>) {
        let AttentionOptions { heads, window, bias, .. } = options;
        let (table, bucket) = bias.map(|RelativeBias { table, bucket }| (table, bucket)).unzip();
        (Self { spans: Arc::new(spans.clone()), heads, window, masks, bucket, arch }, table)
    }

    fn tasks<'a>(&'a self, inputs: &'a [Array]) -> Tasks<'a> {
        let (factors, bias_table) = Factors::of(inputs);
        let bias = bias_table.zip(self.bucket).map(|(table, bucket)| bias::by_distance(table, bucket, &self.spans));
        Tasks { kernel: self, factors, bias, bias_table }
    }

    fn run<const N: usize>(&self, inputs: [Array; N]) -> (Array, Saved<N>) {
        let (output, sums) = self.tasks(&inputs).forward();
        (output.clone(), Saved { inputs, output, sums: Arc::new(sums) })
    }

    fn gradients<const N: usize>(&self, saved: &Saved<N>, gradient: &Array) -> Gradients {
        self.tasks(&saved.inputs).backward(&saved.output, gradient, &saved.sums)
    }
}

macro_rules! kernels {
    ($($count:literal)+) => {
        $(impl Kernel<$count> for Attention {
            type Saved = Saved<$count>;

            fn forward(&self, inputs: [Array; $count]) -> (Array, Self::Saved) {
                self.run(inputs)
            }

            fn backward(&self, saved: Self::Saved, gradient: Array, wanted: [bool; $count]) -> [Option<Array>; $count] {
                let Gradients { arrays, by_table } = self.gradients(&saved, &gradient);
                let mut arrays = arrays.into_iter().chain(by_table);
                wanted.map(|wanted| arrays.next().filter(|_| wanted))
            }
        })+
    };
}

// q, k and v side by side or by themselves, without or with the table of a bias.
kernels! { 1 2 3 4 }
