//! Multi-head attention over a packed run: every token attends to the keys of its own sequence, or to those near it.

mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
#[cfg(feature = "flex")]
mod flex;
mod options;
mod rectangles;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

pub use self::options::{AttentionOptions, RelativeBias};
use crate::batch::Batch;
use crate::implementation::Implementation;
use crate::spans::Spans;

/// Scaled dot-product attention of each token to the keys of its sequence (Vaswani et al. 2017).
///
/// A token that has no key, because its sequence has none or none within the window, becomes 0, as in
/// `torch.nn.functional.scaled_dot_product_attention`.
///
/// # Shapes
/// `q`, `k`, `v` and the result: `[tokens, hidden]`, heads side by side in the hidden dimension.
///
/// # Memory
/// In kernels no scores are kept, not even in training: beside the tensors themselves memory grows with tokens × heads. Elsewhere it grows with
/// tokens × window; without a window a bounded number of scores exists at a time, but on an autodiff device the weights of all scores,
/// heads × length² of each sequence, are kept for the gradient.
///
/// # Panics
/// When a tensor has not as many rows as there are tokens, or `heads` does not divide the hidden size.
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, options: AttentionOptions, batch: &mut Batch) -> Tensor<2> {
    let [_, hidden] = check_shapes([&q, &k, &v], batch.spans(), &options, 1);
    let masks = batch.masks(options.dropout);
    if batch.spans().tokens() * hidden == 0 {
        return q;
    }
    let options = options.within(batch.spans());
    match Implementation::of(&q) {
        #[cfg(feature = "flex")]
        Implementation::Flex => flex::attention([q, k, v], options, masks, batch),
        #[cfg(feature = "cube")]
        Implementation::Cube if cube::fits(hidden / options.heads, batch.device()) => {
            cube::attention([q, k, v], options, masks, batch)
        }
        _ => composed::attention([q, k, v], &options, masks, batch),
    }
}

/// [`attention`] of queries, keys and values side by side, as one product with three weights side by side gives them.
///
/// # Shapes
/// `qkv`: `[tokens, 3 · hidden]`; the result: `[tokens, hidden]`.
///
/// # Panics
/// As [`attention`].
pub fn attention_packed(qkv: Tensor<2>, options: AttentionOptions, batch: &mut Batch) -> Tensor<2> {
    let [_, hidden] = check_shapes([&qkv], batch.spans(), &options, 3);
    match Implementation::of(&qkv) {
        #[cfg(feature = "flex")]
        Implementation::Flex if batch.spans().tokens() * hidden > 0 => {
            let masks = batch.masks(options.dropout);
            flex::attention_packed(qkv, options.within(batch.spans()), masks, batch)
        }
        #[cfg(feature = "cube")]
        Implementation::Cube
            if batch.spans().tokens() * hidden > 0 && cube::fits(hidden / options.heads, batch.device()) =>
        {
            let masks = batch.masks(options.dropout);
            cube::attention_packed(qkv, options.within(batch.spans()), masks, batch)
        }
        _ => {
            let [q, k, v] = [0, 1, 2].map(|part| qkv.clone().narrow(1, part * hidden, hidden));
            attention(q, k, v, options, batch)
        }
    }
}

/// The numbers of tokens and of hidden elements, for inputs that hold `parts` times the hidden elements side by side.
fn check_shapes<const N: usize>(
    inputs: [&Tensor<2>; N],
    spans: &Spans,
    options: &AttentionOptions,
    parts: usize,
) -> [usize; 2] {
    let [tokens, width] = inputs[0].dims();
    for input in inputs {
        assert_eq!(input.dims(), [spans.tokens(), width], "the shape of an input of attention");
    }
    assert!(width.is_multiple_of(parts * options.heads), "{} heads of {width} numbers", options.heads);
    [tokens, width / parts]
}
