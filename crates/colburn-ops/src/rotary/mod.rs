//! Rotary position embeddings (RoPE; Su et al. 2021): queries and keys are rotated by angles that grow with their position, so that their
//! products depend on distances alone.

mod angles;
mod composed;
#[cfg(feature = "cube")]
pub(crate) mod cube;
#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests;
#[cfg(feature = "flex")]
mod flex;
#[cfg(test)]
#[cfg(feature = "flex")]
mod tests;

use burn::tensor::Tensor;

use self::angles::Tables;
use crate::batch::Batch;
use crate::implementation::Implementation;

/// The rotation of every token of a packed run, by its position in its sequence. Layers with the same base share one.
///
/// Element `i` of a head is rotated with element `i + head_dim / 2`, by the angle `position / theta^(2i / head_dim)`
/// (`apply_rotary_pos_emb` with `rotate_half` in transformers).
#[derive(Clone, Debug)]
pub struct Rotary(Tables);

impl Rotary {
    /// The rotation for heads of `head_dim` elements, an even number, with the base `theta` of their wavelengths. A batch computes it once.
    ///
    /// Angles are taken in f32, as in transformers: far into a text they are rounded, and the weights have learnt that rounding.
    pub fn new(batch: &mut Batch, head_dim: usize, theta: f64) -> Self {
        Self(Tables::of(batch, head_dim, theta))
    }

    /// Rotates every head of a packed run.
    ///
    /// # Shapes
    /// `x` and the result: `[tokens, heads · head_dim]`, of any number of heads.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        let [_, columns] = x.dims();
        self.rotate(x, columns)
    }

    /// Rotates queries and keys, and leaves values as they are.
    ///
    /// # Shapes
    /// `qkv` and the result: `[tokens, 3 · hidden]`, queries, keys and values side by side.
    pub fn apply_packed(&self, qkv: Tensor<2>) -> Tensor<2> {
        let [_, all] = qkv.dims();
        self.rotate(qkv, 2 * (all / 3))
    }

    /// Rotates the first `columns` of each row.
    fn rotate(&self, x: Tensor<2>, columns: usize) -> Tensor<2> {
        if x.dims()[0] == 0 || self.0.cos.dims()[2] == 0 {
            return x;
        }
        let (cos, sin) = (self.0.cos.clone(), self.0.sin.clone());
        match Implementation::of(&x) {
            #[cfg(feature = "flex")]
            Implementation::Flex => flex::rotate(x, columns, cos, sin),
            #[cfg(feature = "cube")]
            Implementation::Cube => cube::rotate(x, columns, cos, sin),
            Implementation::Composed => composed::rotate(x, columns, cos, sin),
        }
    }
}
