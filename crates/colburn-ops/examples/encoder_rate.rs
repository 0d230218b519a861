//! The time of a training step through the layers of a BERT or a ModernBERT on a device: forward, the contrastive loss, backward and AdamW on
//! random numbers. It shows the share of the kernels in a step, and the share of the host.
//!
//! ```text
//! cargo run --release -p colburn-ops --features cuda --example encoder_rate -- cuda bf16 12 768 3072 12 32
//! cargo run --release -p colburn-ops --features cuda --example encoder_rate -- cuda bf16 22 768 1152 12 32 modernbert 512
//! ```
//!
//! The arguments: device, precision (`f32`, `tf32`, `bf16` or `f16`), layers, hidden size, inner size, heads, and queries in a batch, each with two
//! documents; then, if they are given, the family (`bert` or `modernbert`), and the tokens of a document, which else are 50 to 120.
#![expect(clippy::print_stdout, reason = "the result of a measurement")]

use std::error::Error;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Gradients, Tensor};
use colburn_ops::{
    Activation, AdamWSettings, AnyTensor, AttentionOptions, AttentionWeights, Batch, Clip, Dropout, Embeddings,
    FeedForwardWeights, LinearWeights, MaskRule, ParameterUpdate, PostNorm, PreNorm, PreNormAttentionWeights,
    PreNormFeedForwardWeights, Precision, Projection, Spans, adamw_all, attention_block, cross_entropy, device,
    feed_forward_block, linear, maxsim, mix, normalize, pre_norm_attention_block, pre_norm_feed_forward_block,
    squared_norms,
};

/// Steps that are timed.
const STEPS: u64 = 30;
/// The dimension of embeddings.
const DIM: usize = 128;

/// The times at which the host is done with the parts of a step, or, with the environment variable `WAIT`, the device.
struct Clock {
    device: Device,
    started: Instant,
    wait: bool,
    laps: Vec<(&'static str, Duration)>,
}

impl Clock {
    fn new(device: &Device, wait: bool) -> Self {
        Self { device: device.clone(), started: Instant::now(), wait, laps: Vec::new() }
    }

    fn lap(&mut self, name: &'static str) -> Result<(), Box<dyn Error>> {
        if self.wait {
            self.device.sync()?;
        }
        self.laps.push((name, self.started.elapsed()));
        Ok(())
    }
}

/// The order of norms and layers.
#[derive(Clone, Copy, PartialEq)]
enum Family {
    Bert,
    ModernBert,
}

impl Family {
    /// The shapes of a layer's matrices, and the widths of its vectors, in the order in which the layer takes them.
    fn shapes(self, hidden: usize, inner: usize) -> (Vec<[usize; 2]>, Vec<usize>) {
        let square = [hidden; 2];
        match self {
            // Queries, keys, values, output, inner and outer; a bias for each of them, then weight and bias of both norms.
            Self::Bert => (
                vec![square, square, square, square, [hidden, inner], [inner, hidden]],
                vec![hidden, hidden, hidden, hidden, inner, hidden, hidden, hidden, hidden, hidden],
            ),
            // Queries, keys and values, output, inner with its gate, and outer; the weights of both norms.
            Self::ModernBert => {
                (vec![[hidden, 3 * hidden], square, [hidden, 2 * inner], [inner, hidden]], vec![hidden; 2])
            }
        }
    }
}

/// The parameters, and the state of the optimizer.
struct Model {
    family: Family,
    layers: usize,
    /// The matrices of all layers, and the projection.
    matrices: Vec<Tensor<2>>,
    /// The vectors of all layers.
    vectors: Vec<Tensor<1>>,
    moments: Vec<[AnyTensor; 2]>,
}

impl Model {
    fn new(family: Family, layers: usize, hidden: usize, inner: usize, device: &Device) -> Self {
        let matrix = |shape: [usize; 2]| {
            Tensor::random(shape, Distribution::Normal(0.0, 0.02), device).autodiff().require_grad()
        };
        let vector = |width: usize| Tensor::ones([width], device).autodiff().require_grad();
        let (shapes, widths) = family.shapes(hidden, inner);
        let matrices = (0..layers).flat_map(|_| shapes.clone()).chain([[hidden, DIM]]).map(matrix).collect();
        let vectors = (0..layers).flat_map(|_| widths.clone()).map(vector).collect();
        Self { family, layers, matrices, vectors, moments: Vec::new() }
    }

    fn forward(&self, mut x: Tensor<2>, heads: usize, precision: Precision, batch: &mut Batch) -> Tensor<2> {
        let (head, matrices) = self.matrices.split_last().expect("a model has a projection");
        let of_layers =
            matrices.chunks(matrices.len() / self.layers).zip(self.vectors.chunks(self.vectors.len() / self.layers));
        for (number, (matrices, vectors)) in of_layers.enumerate() {
            x = match self.family {
                Family::Bert => bert_layer(matrices, vectors, x, heads, precision, batch),
                Family::ModernBert => modernbert_layer(number, matrices, vectors, x, heads, precision, batch),
            };
        }
        normalize(linear(x, head.clone(), None, precision))
    }

    /// Multiplications a token of the products of the layers.
    fn products(&self) -> usize {
        let layers = self.matrices.iter().rev().skip(1);
        layers.map(|matrix| matrix.dims().iter().product::<usize>()).sum()
    }

    /// All parameters in one update. They are taken out of the model, so that they are written in place.
    fn update(&mut self, mut gradients: Gradients, settings: AdamWSettings, step: u64) {
        let (matrices, vectors) = (std::mem::take(&mut self.matrices), std::mem::take(&mut self.vectors));
        let (of_matrices, all) = (matrices.len(), matrices.len() + vectors.len());
        let mut moments = std::mem::take(&mut self.moments).into_iter();
        let mut updates = Vec::new();
        let mut add = |weight: AnyTensor, gradient: AnyTensor, zeros: [AnyTensor; 2]| {
            let moments = moments.next().unwrap_or(zeros);
            updates.push(ParameterUpdate { rate: 1e-5, decay: 0.0, step, weight, gradient, moments });
        };
        for weight in matrices {
            let Some(gradient) = weight.grad_remove(&mut gradients) else { continue };
            let zeros = if step == 1 { gradient.zeros_like() } else { gradient.clone() };
            let zeros = [AnyTensor::new(zeros.clone()), AnyTensor::new(zeros)];
            add(AnyTensor::new(weight.inner()), AnyTensor::new(gradient), zeros);
        }
        for weight in vectors {
            let Some(gradient) = weight.grad_remove(&mut gradients) else { continue };
            let zeros = if step == 1 { gradient.zeros_like() } else { gradient.clone() };
            let zeros = [AnyTensor::new(zeros.clone()), AnyTensor::new(zeros)];
            add(AnyTensor::new(weight.inner()), AnyTensor::new(gradient), zeros);
        }
        assert_eq!(updates.len(), all, "each parameter has a gradient");
        let norm = squared_norms(updates.iter().map(|update| update.gradient.clone()).collect());
        let clip = Clip::ToNorm { numbers: norm, max_norm: 1.0, unscale: 1.0 };
        for (number, (new, moments)) in adamw_all(settings, &clip, updates).into_iter().enumerate() {
            match number < of_matrices {
                true => self.matrices.push(new.into_tensor().autodiff().require_grad()),
                false => self.vectors.push(new.into_tensor().autodiff().require_grad()),
            }
            self.moments.push(moments);
        }
    }
}

fn bert_layer(
    matrices: &[Tensor<2>],
    vectors: &[Tensor<1>],
    x: Tensor<2>,
    heads: usize,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let linear = |number: usize| LinearWeights { weight: matrices[number].clone(), bias: vectors[number].clone() };
    let norm = |number: usize| PostNorm {
        weight: vectors[number].clone(),
        bias: vectors[number + 1].clone(),
        eps: 1e-12,
        dropout: 0.1,
    };
    let weights = AttentionWeights { projections: [linear(0), linear(1), linear(2)], output: linear(3), norm: norm(6) };
    let options = AttentionOptions { dropout: 0.1, ..AttentionOptions::new(heads) };
    let x = attention_block(x, weights, options, precision, batch);
    let weights = FeedForwardWeights { inner: linear(4), outer: linear(5), norm: norm(8) };
    feed_forward_block(x, weights, Activation::Gelu, precision, batch)
}

/// Every third layer is global, the others have windows of 64 tokens to either side; nothing is dropped.
fn modernbert_layer(
    number: usize,
    matrices: &[Tensor<2>],
    vectors: &[Tensor<1>],
    x: Tensor<2>,
    heads: usize,
    precision: Precision,
    batch: &mut Batch,
) -> Tensor<2> {
    let projection = |number: usize| Projection { weight: matrices[number].clone(), bias: None };
    let norm = |number: usize| PreNorm { weight: vectors[number].clone(), bias: None, eps: 1e-5 };
    let (window, theta) = if number.is_multiple_of(3) { (None, 160_000.0) } else { (Some(64), 10_000.0) };
    let weights =
        PreNormAttentionWeights { norm: Some(norm(0)), qkv: projection(0), output: projection(1), dropout: 0.0 };
    let options = AttentionOptions { window, ..AttentionOptions::new(heads) };
    let x = pre_norm_attention_block(x, weights, options, theta, precision, batch);
    let weights = PreNormFeedForwardWeights { norm: norm(1), inner: projection(2), outer: projection(3), dropout: 0.0 };
    pre_norm_feed_forward_block(x, weights, Activation::Gelu, precision, batch)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, precision, sizes @ ..] = arguments.as_slice() else {
        return Err("arguments: DEVICE PRECISION LAYERS HIDDEN INNER HEADS QUERIES [FAMILY [LENGTH]]".into());
    };
    let device = device::by_name(Some(device))?;
    let precision = match precision.as_str() {
        "f32" => Precision::F32,
        "tf32" => Precision::Tf32,
        "bf16" => Precision::Bf16,
        "f16" => Precision::F16,
        other => return Err(format!("unknown precision {other}: f32, tf32, bf16 or f16").into()),
    };
    let (sizes, further) = sizes.split_at_checked(5).unwrap_or((sizes, &[]));
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let &[layers, hidden, inner, heads, queries] = sizes.as_slice() else {
        return Err("arguments: DEVICE PRECISION LAYERS HIDDEN INNER HEADS QUERIES [FAMILY [LENGTH]]".into());
    };

    let (family, length) = match further {
        [] => ("bert", None),
        [family] => (family.as_str(), None),
        [family, length, ..] => (family.as_str(), Some(length.parse::<usize>()?)),
    };
    let family = match family {
        "bert" => Family::Bert,
        "modernbert" => Family::ModernBert,
        other => return Err(format!("unknown family {other}: bert or modernbert").into()),
    };

    let mut model = Model::new(family, layers, hidden, inner, &device);
    let settings = AdamWSettings { betas: (0.9, 0.999), epsilon: 1e-8 };
    let mut step = Vec::new();
    let mut tokens = 0;
    for number in 0..STEPS {
        // Queries of 32 tokens, and documents of 50 to 120 unless their length is given.
        let length_of = |document| length.unwrap_or(50 + (mix(number, document) % 71) as usize);
        let documents: Vec<usize> = (0..2 * queries as u64).map(length_of).collect();
        let (of_queries, of_documents) = (vec![32; queries], documents);
        let spans = Spans::from_lengths(&[of_queries.clone(), of_documents.clone()].concat());
        tokens += spans.tokens();
        device.sync()?;
        let mut clock = Clock::new(&device, std::env::var_os("WAIT").is_some());
        let mut batch = Batch::new(&spans, Dropout::seeded(number), &device);
        let x = Tensor::<2>::random([spans.tokens(), hidden], Distribution::Normal(0.0, 1.0), &device);
        let x = model.forward(x.autodiff(), heads, precision, &mut batch);
        clock.lap("forward")?;
        let split = 32 * queries;
        let part = |range, lengths: &[usize]| Embeddings::new(x.clone().slice(range), Spans::from_lengths(lengths));
        let queries_of_batch = part([0..split, 0..DIM], &of_queries)?;
        let documents_of_batch = part([split..spans.tokens(), 0..DIM], &of_documents)?;
        let scores = maxsim(&queries_of_batch, &documents_of_batch, MaskRule::Zero)?;
        let labels: Vec<u32> = (0..queries as u32).map(|query| 2 * query).collect();
        let loss = cross_entropy(scores, &labels).mean();
        clock.lap("loss")?;
        let gradients = loss.backward();
        clock.lap("backward")?;
        model.update(gradients, settings, number + 1);
        clock.lap("AdamW")?;
        device.sync()?;
        let whole = clock.started.elapsed();
        if number == 0 {
            println!("first step: {:.2} s", whole.as_secs_f64());
        }
        step.push(whole);
        if number >= STEPS - 2 {
            let laps: Vec<String> =
                clock.laps.iter().map(|(name, time)| format!("{name} {:.2}", time.as_secs_f64() * 1e3)).collect();
            println!("step {number}: {:.2} ms; reached by the host: {}", whole.as_secs_f64() * 1e3, laps.join(", "));
        }
    }
    step.sort();
    let median = step[step.len() / 2].as_secs_f64();
    let tokens = tokens as f64 / STEPS as f64;
    let products = model.products() as f64 * tokens * 6.0;
    println!(
        "median of a step: {:.2} ms, {:.0} tokens, {:.1} TFLOP/s in products",
        median * 1e3,
        tokens,
        products / median / 1e12
    );
    Ok(())
}
