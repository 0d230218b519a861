//! The kernel of packed attention, without a tensor of scores. For every head of every sequence there are tiles of scores that live in the
//! caches, forward ([`forward`]) and, computed again, backward ([`backward`]).
//!
//! A task is one head of one sequence. Tasks write to no common memory, so that sequences of unequal length, or the heads of a single long
//! one, keep all cores busy, and the result does not depend on the number of cores.

mod backward;
mod bias;
mod forward;
mod head;
mod product;
mod tasks;

use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;
use pulp::Arch;

use self::{
    bias::Buckets,
    tasks::{Factors, Gradients, Setting, Tasks},
};
use super::options::AttentionOptions;
use crate::batch::Batch;
use crate::cpu::array::Array;
use crate::kernel::Kernel;
use crate::kernel::flex::{apply_1, apply_2, apply_3, apply_4};
use crate::masks::Masks;

/// Attention of `[tokens, hidden]` each.
pub(super) fn attention(
    [q, k, v]: [Tensor<2>; 3],
    options: AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let (kernel, table) = Attention::new(options, masks, batch, Arch::new());
    match table {
        Some(table) => apply_4(kernel, q, k, v, table),
        None => apply_3(kernel, q, k, v),
    }
}

/// Attention of q, k and v side by side, `[tokens, 3 · hidden]`.
pub(super) fn attention_packed(
    qkv: Tensor<2>,
    options: AttentionOptions,
    masks: Option<Masks>,
    batch: &mut Batch,
) -> Tensor<2> {
    let (kernel, table) = Attention::new(options, masks, batch, Arch::new());
    match table {
        Some(table) => apply_2(kernel, qkv, table),
        None => apply_1(kernel, qkv),
    }
}

/// The kernel: of q, k and v side by side or each by itself, without or with the table of a bias.
#[derive(Clone, Debug)]
pub(super) struct Attention(Setting);

/// The state for the backward pass: the inputs, the output, and the statistics of each softmax.
#[derive(Clone, Debug)]
pub(super) struct Saved<const N: usize> {
    inputs: [Array; N],
    output: Array,
    sums: Arc<Vec<[f32; 2]>>,
}

/// The key of the buckets of a bias in a batch.
#[derive(PartialEq)]
struct BucketsKey(usize);

impl Attention {
    /// The kernel, and the table of the bias.
    pub fn new(
        options: AttentionOptions,
        masks: Option<Masks>,
        batch: &mut Batch,
        arch: Arch,
    ) -> (Self, Option<Tensor<2>>) {
        let AttentionOptions { heads, window, bias, .. } = options;
        let buckets = bias.as_ref().map(|bias| {
            batch.prepared(BucketsKey(bias.function()), |spans, _| Buckets::new(bias.bucket, spans.max_length()))
        });
        let setting = Setting { spans: batch.shared_spans(), heads, window, masks, buckets, arch };
        (Self(setting), bias.map(|bias| bias.table))
    }

    fn tasks<'a>(&'a self, inputs: &'a [Array]) -> Tasks<'a> {
        let (factors, bias_table) = Factors::of(inputs);
        let bias = bias_table.zip(self.0.buckets.as_ref()).map(|(table, buckets)| buckets.by_distance(table));
        Tasks { setting: &self.0, factors, bias, bias_table }
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
        $(impl Kernel<Flex, $count> for Attention {
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

kernels! { 1 2 3 4 }
