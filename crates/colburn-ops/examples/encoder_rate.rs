//! The time of a training step through the layers of a BERT on a device: forward, backward and AdamW on random numbers, without a tokenizer and
//! without a loss. It shows the share of the kernels in a step, and the share of the host.
//!
//! ```text
//! cargo run --release -p colburn-ops --features cuda --example encoder_rate -- cuda bf16 12 768 3072 12 32
//! ```
//!
//! The arguments: device, precision (`f32`, `tf32` or `bf16`), layers, hidden size, inner size, heads, and queries in a batch, each with two
//! documents.
#![expect(clippy::print_stdout, reason = "the result of a measurement")]

use std::error::Error;
use std::time::Instant;

use burn::tensor::{Device, Distribution, Tensor};
use colburn_ops::{
    Activation, AdamWUpdate, AttentionOptions, AttentionWeights, Batch, Dropout, FeedForwardWeights, LinearWeights,
    PostNorm, Precision, Spans, adamw, attention_block, device, feed_forward_block, mix,
};

/// Matrices and vectors of one layer, in the order in which [`Layer::forward`] takes them.
struct Layer {
    matrices: Vec<Tensor<2>>,
    vectors: Vec<Tensor<1>>,
}

impl Layer {
    fn new(hidden: usize, inner: usize, device: &Device) -> Self {
        let matrix = |shape: [usize; 2]| {
            Tensor::random(shape, Distribution::Normal(0.0, 0.02), device).autodiff().require_grad()
        };
        let shapes = [[hidden; 2], [hidden; 2], [hidden; 2], [hidden; 2], [hidden, inner], [inner, hidden]];
        let vector = |width: usize| Tensor::ones([width], device).autodiff().require_grad();
        let widths = [hidden, hidden, hidden, hidden, inner, hidden, hidden, hidden, hidden, hidden];
        Self { matrices: shapes.map(matrix).into(), vectors: widths.map(vector).into() }
    }

    fn forward(&self, x: Tensor<2>, heads: usize, precision: Precision, batch: &mut Batch) -> Tensor<2> {
        let linear = |number: usize| LinearWeights {
            weight: self.matrices[number].clone(),
            bias: self.vectors[number].clone(),
        };
        let norm = |number: usize| PostNorm {
            weight: self.vectors[number].clone(),
            bias: self.vectors[number + 1].clone(),
            eps: 1e-12,
            dropout: 0.1,
        };
        let weights =
            AttentionWeights { projections: [linear(0), linear(1), linear(2)], output: linear(3), norm: norm(6) };
        let options = AttentionOptions { dropout: 0.1, ..AttentionOptions::new(heads) };
        let x = attention_block(x, weights, options, precision, batch);
        let weights = FeedForwardWeights { inner: linear(4), outer: linear(5), norm: norm(8) };
        feed_forward_block(x, weights, Activation::Gelu, precision, batch)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, precision, sizes @ ..] = arguments.as_slice() else {
        return Err("arguments: DEVICE PRECISION LAYERS HIDDEN INNER HEADS QUERIES".into());
    };
    let device = device::by_name(Some(device))?;
    let precision = match precision.as_str() {
        "f32" => Precision::F32,
        "tf32" => Precision::Tf32,
        "bf16" => Precision::Bf16,
        other => return Err(format!("unknown precision {other}: f32, tf32 or bf16").into()),
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let &[layers, hidden, inner, heads, queries] = sizes.as_slice() else {
        return Err("arguments: DEVICE PRECISION LAYERS HIDDEN INNER HEADS QUERIES".into());
    };

    let mut all: Vec<Layer> = (0..layers).map(|_| Layer::new(hidden, inner, &device)).collect();
    let mut step = Vec::new();
    let mut tokens = 0;
    for number in 0..20u64 {
        // Queries of 32 tokens, and documents of 50 to 120.
        let documents = (0..2 * queries as u64).map(|document| 50 + (mix(number, document) % 71) as usize);
        let lengths: Vec<usize> = std::iter::repeat_n(32, queries).chain(documents).collect();
        let spans = Spans::from_lengths(&lengths);
        tokens += spans.tokens();
        device.sync()?;
        let started = Instant::now();
        let mut batch = Batch::new(&spans, Dropout::seeded(number), &device);
        let mut x = Tensor::<2>::random([spans.tokens(), hidden], Distribution::Normal(0.0, 1.0), &device).autodiff();
        for layer in &all {
            x = layer.forward(x, heads, precision, &mut batch);
        }
        let enqueued_forward = started.elapsed();
        let mut gradients = x.sum().backward();
        let enqueued_backward = started.elapsed();
        let update = AdamWUpdate { betas: (0.9, 0.999), epsilon: 1e-8, rate: 1e-5, decay: 0.0, step: 1, factor: 1.0 };
        for layer in &mut all {
            for weight in &mut layer.matrices {
                let Some(gradient) = weight.grad_remove(&mut gradients) else { continue };
                let zeros = [gradient.zeros_like(), gradient.zeros_like()];
                *weight = adamw(&update, weight.clone().inner(), gradient, zeros).0.autodiff().require_grad();
            }
        }
        let enqueued = started.elapsed();
        device.sync()?;
        let whole = started.elapsed();
        if number == 0 {
            println!("first step: {:.2} s", whole.as_secs_f64());
        }
        step.push(whole);
        if number >= 18 {
            println!(
                "step {number}: {:.2} ms; the host was done with forward after {:.2}, backward {:.2}, AdamW {:.2}",
                whole.as_secs_f64() * 1e3,
                enqueued_forward.as_secs_f64() * 1e3,
                enqueued_backward.as_secs_f64() * 1e3,
                enqueued.as_secs_f64() * 1e3,
            );
        }
    }
    step.sort();
    let median = step[step.len() / 2].as_secs_f64();
    let tokens = tokens as f64 / 20.0;
    let products = (4 * hidden * hidden + 2 * hidden * inner) as f64 * layers as f64 * tokens * 6.0;
    println!(
        "median of a step: {:.2} ms, {:.0} tokens, {:.1} TFLOP/s in products",
        median * 1e3,
        tokens,
        products / median / 1e12
    );
    Ok(())
}
