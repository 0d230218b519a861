//! The contrastive loss alone, forward and backward, on random unit vectors: `cargo xtask bench` runs it beside PyLate's
//! (`xtask/fixtures/bench_loss.py`), as a process of its own so that the peak of its memory is the loss's.
//!
//! Arguments by position: queries, documents a query, tokens a query, tokens a document, dimensions, steps to warm up, steps to time. Prints
//! `loss VALUE` and then `step SECONDS` for each step that counts.

#![expect(clippy::print_stdout, reason = "a program writes to the terminal")]

use std::error::Error;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use colburn_loss::{Contrastive, Loss, Targets};
use colburn_ops::{Embeddings, Spans};

fn main() -> Result<(), Box<dyn Error>> {
    colburn_ops::memory::keep_freed();
    let given: Vec<usize> = std::env::args().skip(1).map(|argument| argument.parse()).collect::<Result<_, _>>()?;
    let [batch, group, query_tokens, document_tokens, dim, warmup, steps] = given
        .try_into()
        .map_err(|_| "seven numbers: batch, documents, query tokens, document tokens, dim, warm-up, steps")?;
    let device = Device::flex().autodiff();
    let queries = unit_vectors(batch * query_tokens, dim, 1);
    let documents = unit_vectors(batch * group * document_tokens, dim, 2);
    let loss = Contrastive::default();
    for step in 0..warmup + steps {
        let texts = |values: &[f32], count: usize, tokens: usize| -> Result<Embeddings, colburn_ops::Error> {
            let leaf = Tensor::<2>::from_data(TensorData::new(values.to_vec(), [count * tokens, dim]), &device);
            Embeddings::new(leaf.require_grad(), Spans::from_lengths(&vec![tokens; count]))
        };
        let queries = texts(&queries, batch, query_tokens)?;
        let documents = texts(&documents, batch * group, document_tokens)?;
        let started = Instant::now();
        let value = loss.forward(&queries, &documents, &Targets::Positives)?;
        let gradients = value.backward();
        let both = queries.values.grad(&gradients).zip(documents.values.grad(&gradients));
        device.sync()?;
        let seconds = started.elapsed().as_secs_f64();
        if both.is_none() {
            return Err("the loss has no gradient".into());
        }
        if step == 0 {
            println!("loss {:.6}", value.into_scalar::<f32>());
        }
        if step >= warmup {
            println!("step {seconds:.6}");
        }
    }
    Ok(())
}

/// Rows of length 1 from a linear congruential generator, the same in every run.
fn unit_vectors(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut values: Vec<f32> = (0..rows * dim)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    for row in values.chunks_exact_mut(dim.max(1)) {
        let norm = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-12);
        row.iter_mut().for_each(|value| *value /= norm);
    }
    values
}
