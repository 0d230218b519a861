//! MaxSim backward: each maximum gives its gradient to the one pair of tokens that it is the product of. Nothing is multiplied again; the
//! best token of each maximum is all that the forward pass keeps.
//!
//! A query token takes from the documents in their order, a document token from the query tokens in theirs. So the sums are the same
//! however the work is shared out.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{
    plan::{Block, Plan, Task},
    tiles::NONE,
};
use crate::cpu::parallel::by_parts;

/// The best document tokens of all tasks, and the gradient by each score.
#[derive(Clone, Copy)]
pub(super) struct Paths<'a> {
    pub plan: &'a Plan,
    /// Of each task, `[documents, query tokens]`.
    pub best: &'a [Vec<u32>],
    pub gradient: &'a [f32],
    pub dim: usize,
}

impl Paths<'_> {
    /// The gradient by the queries: document tokens, gathered.
    pub fn by_queries(self, arch: Arch, documents: &[f32]) -> Vec<f32> {
        let blocks = 0..self.plan.blocks.len().max(1);
        let rows: Vec<usize> = blocks.map(|block| self.plan.rows_of_block(block).len() * self.dim).collect();
        by_parts(&rows, |block, out| {
            let tasks = &self.plan.tasks;
            // Tasks that meet later blocks come later.
            let start = tasks.partition_point(|task| task.blocks.end <= block);
            let end = tasks.partition_point(|task| task.blocks.start <= block);
            for task in start..end.max(start) {
                arch.dispatch(Gather { paths: self, block, task, documents, out });
            }
        })
    }

    /// The gradient by the documents: query tokens, scattered.
    pub fn by_documents(self, arch: Arch, queries: &[f32]) -> Vec<f32> {
        let rows: Vec<usize> =
            self.plan.tasks.iter().map(|task| self.plan.rows_of_task(task).len() * self.dim).collect();
        by_parts(&rows, |task, out| {
            for block in self.plan.tasks[task].blocks.clone() {
                arch.dispatch(Scatter { paths: self, block, task, queries, out });
            }
        })
    }

    /// Calls `take` with the row of the query token, that of the document token, and the gradient, for each maximum of a block and a task
    /// that is a product.
    #[inline(always)]
    fn visit(self, block: usize, task: usize, mut take: impl FnMut(usize, usize, f32)) {
        let (block, best, task): (&Block, &[u32], &Task) =
            (&self.plan.blocks[block], &self.best[task], &self.plan.tasks[task]);
        let met: Range<usize> = self.plan.met(task);
        let rows = &self.plan.query_tokens[block.tokens.clone()];
        for (document, best) in task.documents.clone().zip(best.chunks_exact(met.len())) {
            let best = &best[block.tokens.start - met.start..][..block.tokens.len()];
            for (query, part) in &block.queries {
                let gradient = self.gradient[self.plan.score(*query, document)];
                for (&row, &best) in rows[part.clone()].iter().zip(&best[part.clone()]) {
                    if best != NONE {
                        take(row as usize, best as usize, gradient);
                    }
                }
            }
        }
    }
}

struct Gather<'a> {
    paths: Paths<'a>,
    block: usize,
    task: usize,
    documents: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (first, dim) = (self.paths.plan.rows_of_block(self.block).start, self.paths.dim);
        self.paths.visit(self.block, self.task, |query, document, gradient| {
            let out = &mut self.out[(query - first) * dim..][..dim];
            add(simd, out, &self.documents[document * dim..][..dim], gradient);
        });
    }
}

struct Scatter<'a> {
    paths: Paths<'a>,
    block: usize,
    task: usize,
    queries: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plan = self.paths.plan;
        let (first, dim) = (plan.rows_of_task(&plan.tasks[self.task]).start, self.paths.dim);
        self.paths.visit(self.block, self.task, |query, document, gradient| {
            let out = &mut self.out[(document - first) * dim..][..dim];
            add(simd, out, &self.queries[query * dim..][..dim], gradient);
        });
    }
}

/// `out += factor · x`.
#[inline(always)]
fn add<S: Simd>(simd: S, out: &mut [f32], x: &[f32], factor: f32) {
    let factor = simd.splat_f32s(factor);
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let (x, x_rest) = S::as_simd_f32s(x);
    for (out, &x) in out.iter_mut().zip(x) {
        *out = simd.mul_add_e_f32s(x, factor, *out);
    }
    if !x_rest.is_empty() {
        let sum = simd.mul_add_e_f32s(simd.partial_load_f32s(x_rest), factor, simd.partial_load_f32s(out_rest));
        simd.partial_store_f32s(out_rest, sum);
    }
}
