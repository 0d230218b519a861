//! The context of a forward pass through an encoder: the batch, the precision, and the steps that all families are made of.
//!
//! Each step is one operation of `colburn-ops`, so that a backend with kernels for them goes over the hidden states once a step.

use std::sync::Arc;

use burn::{
    nn::Linear,
    tensor::{Device, Tensor},
};
use colburn_ops::{
    Activation, AttentionOptions, AttentionWeights, Batch, Dropout, FeedForwardWeights, LinearWeights, PostNorm,
    PreNorm, PreNormAttentionWeights, PreNormFeedForwardWeights, Precision, Projection, Spans, attention_block,
    attention_packed, drop_add_norm, dropout, feed_forward_block, layer_norm, linear, pre_norm_attention_block,
    pre_norm_feed_forward_block, three_linears,
};

use super::norm::LayerNorm;

/// The state that goes through the layers beside the hidden states. It serves one forward pass.
#[derive(Debug)]
pub(crate) struct EncoderContext {
    /// The texts, and all that the layers share.
    batch: Batch,
    /// The precision of linear layers.
    precision: Precision,
}

impl EncoderContext {
    /// The context of a forward pass over these texts, on this device.
    pub fn new(spans: &Spans, dropout: Dropout, precision: Precision, device: &Device) -> Self {
        Self { batch: Batch::new(spans, dropout, device), precision }
    }

    /// The places of the texts.
    pub fn spans(&self) -> &Spans {
        self.batch.spans()
    }

    /// The position of each token in its text.
    pub fn positions(&mut self) -> Arc<Vec<u32>> {
        self.batch.positions()
    }

    /// Number of values that the layers have prepared for each other.
    #[cfg(test)]
    pub fn preparations(&self) -> usize {
        self.batch.preparations()
    }

    /// A linear layer.
    pub fn linear(&self, layer: &Linear, x: Tensor<2>) -> Tensor<2> {
        linear(x, layer.weight.val(), layer.bias.as_ref().map(|bias| bias.val()), self.precision)
    }

    /// Attention of projections of `x` to queries, keys and values. Either all of them have a bias or none.
    fn attention(&mut self, layers: [&Linear; 3], x: Tensor<2>, options: AttentionOptions) -> Tensor<2> {
        let biases = match layers.map(|layer| layer.bias.as_ref().map(|bias| bias.val())) {
            [Some(q), Some(k), Some(v)] => Some([q, k, v]),
            _ => None,
        };
        let qkv = three_linears(x, layers.map(|layer| layer.weight.val()), biases, self.precision);
        attention_packed(qkv, options, &mut self.batch)
    }

    /// Attention of projections of `x`, the projection of its result, and the norm of the sum of that, after dropout, and `x`.
    pub fn attention_block(
        &mut self,
        projections: [&Linear; 3],
        (output, norm): (&Linear, &LayerNorm),
        x: Tensor<2>,
        options: AttentionOptions,
        dropout: f64,
    ) -> Tensor<2> {
        let weights = (projections.map(biased), biased(output), post_norm(norm, dropout));
        match weights {
            ([Some(q), Some(k), Some(v)], Some(output), Some(norm)) => {
                let weights = AttentionWeights { projections: [q, k, v], output, norm };
                attention_block(x, weights, options, self.precision, &mut self.batch)
            }
            _ => {
                let attended = self.attention(projections, x.clone(), options);
                let y = self.linear(output, attended);
                self.add_norm(norm, y, x, dropout)
            }
        }
    }

    /// Two linear layers with an activation between them, and the norm of the sum of their result, after dropout, and `x`.
    pub fn feed_forward_block(
        &mut self,
        inner: &Linear,
        activation: Activation,
        (outer, norm): (&Linear, &LayerNorm),
        x: Tensor<2>,
        dropout: f64,
    ) -> Tensor<2> {
        match (biased(inner), biased(outer), post_norm(norm, dropout)) {
            (Some(inner), Some(outer), Some(norm)) => {
                let weights = FeedForwardWeights { inner, outer, norm };
                feed_forward_block(x, weights, activation, self.precision, &mut self.batch)
            }
            _ => {
                let between = activation.forward(self.linear(inner, x.clone()));
                let y = self.linear(outer, between);
                self.add_norm(norm, y, x, dropout)
            }
        }
    }

    /// The norm of `x`, attention of one projection of it to rotated queries and keys, and values, the projection of the result, and the sum of
    /// that, after dropout, and `x`: pre-norm encoders. `theta` is the base of the rotation.
    pub fn pre_norm_attention_block(
        &mut self,
        norm: Option<&LayerNorm>,
        [qkv, output]: [&Linear; 2],
        x: Tensor<2>,
        options: AttentionOptions,
        theta: f64,
        dropout: f64,
    ) -> Tensor<2> {
        let norm = norm.map(pre_norm);
        let weights = PreNormAttentionWeights { norm, qkv: projection(qkv), output: projection(output), dropout };
        pre_norm_attention_block(x, weights, options, theta, self.precision, &mut self.batch)
    }

    /// The norm of `x`, two linear layers with a gated activation and dropout between them, and the sum of their result and `x`: pre-norm encoders.
    pub fn pre_norm_feed_forward_block(
        &mut self,
        norm: &LayerNorm,
        [inner, outer]: [&Linear; 2],
        activation: Activation,
        x: Tensor<2>,
        dropout: f64,
    ) -> Tensor<2> {
        let norm = pre_norm(norm);
        let weights = PreNormFeedForwardWeights { norm, inner: projection(inner), outer: projection(outer), dropout };
        pre_norm_feed_forward_block(x, weights, activation, self.precision, &mut self.batch)
    }

    /// A norm.
    pub fn norm(&self, norm: &LayerNorm, x: Tensor<2>) -> Tensor<2> {
        let (weight, bias, eps) = parts(norm);
        layer_norm(x, weight, bias, eps)
    }

    /// The norm of the sum of a sublayer's output, after dropout, and its input: post-norm encoders.
    pub fn add_norm(&mut self, norm: &LayerNorm, x: Tensor<2>, residual: Tensor<2>, dropout: f64) -> Tensor<2> {
        let (weight, bias, eps) = parts(norm);
        drop_add_norm(x, residual, weight, bias, eps, dropout, &mut self.batch)
    }

    /// Dropout by itself.
    pub fn drop(&mut self, x: Tensor<2>, probability: f64) -> Tensor<2> {
        dropout(x, probability, &mut self.batch)
    }
}

/// The weights of a linear layer.
fn projection(layer: &Linear) -> Projection {
    Projection { weight: layer.weight.val(), bias: layer.bias.as_ref().map(|bias| bias.val()) }
}

/// The weights of a linear layer that has a bias.
fn biased(layer: &Linear) -> Option<LinearWeights> {
    let bias = layer.bias.as_ref()?.val();
    Some(LinearWeights { weight: layer.weight.val(), bias })
}

/// The end of a block with this norm, if it has a bias.
fn post_norm(norm: &LayerNorm, dropout: f64) -> Option<PostNorm> {
    let bias = norm.bias.as_ref()?.val();
    Some(PostNorm { weight: norm.weight.val(), bias, eps: norm.eps, dropout })
}

/// The norm before a block.
fn pre_norm(norm: &LayerNorm) -> PreNorm {
    let (weight, bias, eps) = parts(norm);
    PreNorm { weight, bias, eps }
}

/// Weight, bias and epsilon.
fn parts(norm: &LayerNorm) -> (Tensor<1>, Option<Tensor<1>>, f64) {
    (norm.weight.val(), norm.bias.as_ref().map(|bias| bias.val()), norm.eps)
}
