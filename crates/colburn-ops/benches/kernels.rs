//! Each kernel beside its composed twin, forward and with the gradient, at the sizes of a training step of all-MiniLM-L6-v2 with
//! batches of 16: about 3,100 tokens, 384 wide.
//!
//! `cargo bench -p colburn-ops --features flex -- attention` runs those whose name has the word.

use burn::tensor::{Device, Distribution, Tensor};
use colburn_ops::{
    AttentionOptions, Batch, Dropout, Embeddings, MaskRule, Precision, Spans, attention_packed, drop_add_norm, gelu,
    kernels, layer_norm, linear, maxsim, normalize, three_linears,
};
use divan::Bencher;

const HIDDEN: usize = 384;
const INNER: usize = 1536;
const HEADS: usize = 12;
const EPS: f64 = 1e-12;
const DROPOUT: f64 = 0.1;

/// The implementations: a kernel, or Burn's operations.
const IMPLEMENTATIONS: [&str; 2] = ["kernel", "composed"];

fn queries() -> Spans {
    Spans::from_lengths(&[32; 16])
}

/// Documents of 30 to 180 tokens, most of them short.
fn documents() -> Spans {
    let lengths: Vec<usize> = (0..32).map(|number| 30 + 150 * number * number / (31 * 31)).collect();
    Spans::from_lengths(&lengths)
}

fn spans() -> Spans {
    Spans::concat([&queries(), &documents()])
}

fn batch(dropout: Dropout) -> Batch {
    Batch::new(&spans(), dropout, &Device::flex())
}

fn row(x: Tensor<2>) -> Tensor<1> {
    x.squeeze_dim(0)
}

fn embeddings(values: Tensor<2>, spans: Spans) -> Embeddings {
    Embeddings::new(values, spans).expect("a row for each token")
}

fn random(shape: [usize; 2]) -> Tensor<2> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex())
}

fn time_forward<const N: usize>(
    bencher: Bencher,
    implementation: &str,
    shapes: [[usize; 2]; N],
    function: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    kernels::set_enabled(implementation == IMPLEMENTATIONS[0]);
    let inputs = shapes.map(random);
    bencher.bench_local(|| function(inputs.clone()));
}

fn time_step<const N: usize>(
    bencher: Bencher,
    implementation: &str,
    shapes: [[usize; 2]; N],
    function: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    kernels::set_enabled(implementation == IMPLEMENTATIONS[0]);
    let inputs = shapes.map(random);
    // Weights of the sum, for a gradient that is not one number everywhere.
    let weights = random(function(inputs.clone()).dims()).autodiff();
    bencher.bench_local(|| {
        let inputs = inputs.clone().map(|input| input.autodiff().require_grad());
        (function(inputs) * weights.clone()).sum().backward()
    });
}

/// Operations by name: the shapes of their inputs, for each of which there is a gradient, and the function.
macro_rules! operations {
    ($($name:ident: $shapes:expr, |$inputs:pat_param| $value:expr;)+) => {
        $(mod $name {
            use super::*;

            #[divan::bench(args = IMPLEMENTATIONS)]
            fn forward(bencher: Bencher, implementation: &str) {
                time_forward(bencher, implementation, $shapes, |$inputs| $value);
            }

            #[divan::bench(args = IMPLEMENTATIONS)]
            fn forward_and_backward(bencher: Bencher, implementation: &str) {
                time_step(bencher, implementation, $shapes, |$inputs| $value);
            }
        })+
    };
}

operations! {
    linear_f32: [[spans().tokens(), HIDDEN], [HIDDEN, INNER], [1, INNER]], |[x, w, b]| linear(x, w, Some(row(b)), Precision::F32);
    linear_bf16: [[spans().tokens(), HIDDEN], [HIDDEN, INNER], [1, INNER]], |[x, w, b]| linear(x, w, Some(row(b)), Precision::Bf16);
    three_linears_f32: [[spans().tokens(), HIDDEN], [HIDDEN; 2], [HIDDEN; 2], [HIDDEN; 2]],
        |[x, q, k, v]| three_linears(x, [q, k, v], None, Precision::F32);
    gelu_: [[spans().tokens(), INNER]], |[x]| gelu(x);
    attention: [[spans().tokens(), 3 * HIDDEN]],
        |[qkv]| attention_packed(qkv, AttentionOptions::new(HEADS), &mut batch(Dropout::off()));
    attention_with_dropout: [[spans().tokens(), 3 * HIDDEN]],
        |[qkv]| attention_packed(qkv, AttentionOptions { dropout: DROPOUT, ..AttentionOptions::new(HEADS) }, &mut batch(Dropout::seeded(1)));
    layer_norm_: [[spans().tokens(), HIDDEN], [1, HIDDEN], [1, HIDDEN]], |[x, w, b]| layer_norm(x, row(w), Some(row(b)), EPS);
    drop_add_norm_: [[spans().tokens(), HIDDEN], [spans().tokens(), HIDDEN], [1, HIDDEN], [1, HIDDEN]],
        |[x, r, w, b]| drop_add_norm(x, r, row(w), Some(row(b)), EPS, DROPOUT, &mut batch(Dropout::seeded(1)));
    normalize_: [[spans().tokens(), 128]], |[x]| normalize(x);
    maxsim_: [[queries().tokens(), 128], [documents().tokens(), 128]],
        |[q, d]| maxsim(&embeddings(q, queries()), &embeddings(d, documents()), MaskRule::Zero).expect("embeddings that go together");
}

fn main() {
    colburn_ops::memory::keep_freed();
    divan::main();
}
