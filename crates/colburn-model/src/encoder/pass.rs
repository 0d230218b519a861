//! One pass through an encoder: what the layers share, and the steps that all families are made of.
//!
//! Each step is one operation of `colburn-ops`, so that a backend with kernels for them goes over the hidden states once a step.

use super::norm::LayerNorm;
use burn::{nn::Linear, tensor::Tensor};
use colburn_ops::{
    AttentionOptions, Dropout, Precision, Spans, attention_packed, drop_add, drop_add_norm, layer_norm, linear,
    three_linears,
};

/// What goes through the layers beside the hidden states.
pub(crate) struct Pass<'a> {
    /// Where the texts lie.
    pub spans: &'a Spans,
    /// What is dropped.
    pub dropout: Dropout,
    /// How linear layers are computed.
    pub precision: Precision,
}

impl Pass<'_> {
    /// The position of each token in its text.
    pub fn positions(&self) -> impl Iterator<Item = u32> {
        self.spans.lengths().flat_map(|length| 0..length as u32)
    }

    /// A linear layer.
    pub fn linear(&self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
        linear(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), self.precision)
    }

    /// Attention of projections of `x` to queries, keys and values. Either all of them have a bias or none.
    pub fn attention(&mut self, layers: [&Linear; 3], x: Tensor<2>, options: AttentionOptions) -> Tensor<2> {
        let biases = match layers.map(|layer| layer.bias.as_ref().map(|bias| bias.val())) {
            [Some(q), Some(k), Some(v)] => Some([q, k, v]),
            _ => None,
        };
        let qkv = three_linears(x, layers.map(|layer| layer.weight.val()), biases, self.precision);
        self.attend(qkv, options)
    }

    /// Attention of queries, keys and values that lie side by side, `[tokens, 3 · hidden]`.
    pub fn attend(&mut self, qkv: Tensor<2>, options: AttentionOptions) -> Tensor<2> {
        attention_packed(qkv, self.spans, options, &mut self.dropout)
    }

    /// A norm.
    pub fn norm(&self, norm: &LayerNorm, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias, eps) = parts(norm);
        layer_norm(x, weight, bias, eps)
    }

    /// A norm of what a sublayer gives, after dropout, and what went into it: post-norm encoders.
    pub fn add_norm(&mut self, norm: &LayerNorm, x: Tensor<2>, residual: Tensor<2>, dropout: f64) -> Tensor<2> {
        let (weight, bias, eps) = parts(norm);
        drop_add_norm(x, residual, weight, bias, eps, dropout, self.spans, &mut self.dropout)
    }

    /// What a sublayer gives, after dropout, and what went into it: pre-norm encoders.
    pub fn add(&mut self, x: Tensor<2>, residual: Tensor<2>, dropout: f64) -> Tensor<2> {
        drop_add(x, residual, dropout, self.spans, &mut self.dropout)
    }

    /// Dropout by itself.
    pub fn drop(&mut self, x: Tensor<2>, probability: f64) -> Tensor<2> {
        self.dropout.apply(x, probability, self.spans)
    }
}

/// Weight, bias and epsilon.
fn parts(norm: &LayerNorm) -> (Tensor<1>, Option<Tensor<1>>, f64) {
    (norm.weight.val(), norm.bias.as_ref().map(|bias| bias.val()), norm.eps)
}
