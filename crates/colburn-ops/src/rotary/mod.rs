//! Rotary position embeddings (RoPE; Su et al. 2021): queries and keys are turned by angles that grow with their position, so that their
//! products depend on distances alone.

use burn::tensor::{Device, Tensor, TensorData};

use crate::Spans;
#[cfg(feature = "flex")]
use crate::fused;

/// The rotation of every token of a packed run, by its position in its sequence. One for all layers with the same base.
///
/// Element `i` of a head turns with element `i + head_dim / 2`, by `position / theta^(2i / head_dim)` (`apply_rotary_pos_emb` with
/// `rotate_half` in transformers).
#[derive(Clone, Debug)]
pub struct Rotary {
    /// Both `[tokens, 1, head_dim / 2]`.
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Rotary {
    /// For heads of `head_dim` elements, an even number, with the base `theta` of their wavelengths.
    ///
    /// Angles are taken in f32, as in transformers: far into a text they are rounded, and the weights have learnt that rounding.
    pub fn new(spans: &Spans, head_dim: usize, theta: f64, device: &Device) -> Self {
        let frequencies = frequencies(head_dim, theta);
        let angles: Vec<f32> = (0..spans.max_length())
            .flat_map(|position| frequencies.iter().map(move |frequency| position as f32 * frequency))
            .collect();
        let shape = [spans.tokens(), 1, frequencies.len()];
        let table = |function: fn(f64) -> f64| {
            let values: Vec<f32> = angles.iter().map(|&angle| function(f64::from(angle)) as f32).collect();
            let mut rows = Vec::with_capacity(shape.iter().product());
            for length in spans.lengths() {
                rows.extend_from_slice(&values[..length * frequencies.len()]);
            }
            Tensor::from_data(TensorData::new(rows, shape), device)
        };
        Self { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Turns every head of a packed run.
    ///
    /// # Shapes
    /// `x` and the result: `[tokens, heads · head_dim]`, of any number of heads.
    pub fn apply(&self, x: Tensor<2>) -> Tensor<2> {
        if x.dims()[0] == 0 || self.cos.dims()[2] == 0 {
            return x;
        }
        #[cfg(feature = "flex")]
        if fused::runs_on(&x) {
            let columns = x.dims()[1];
            return fused::turn(x, columns, self.cos.clone(), self.sin.clone());
        }
        self.composed(x)
    }

    /// Turns queries and keys, and leaves values as they are.
    ///
    /// # Shapes
    /// `qkv` and the result: `[tokens, 3 · hidden]`, queries, keys and values side by side.
    pub fn apply_packed(&self, qkv: Tensor<2>) -> Tensor<2> {
        let [tokens, all] = qkv.dims();
        if tokens == 0 || self.cos.dims()[2] == 0 {
            return qkv;
        }
        let hidden = all / 3;
        #[cfg(feature = "flex")]
        if fused::runs_on(&qkv) {
            return fused::turn(qkv, 2 * hidden, self.cos.clone(), self.sin.clone());
        }
        self.composed_packed(qkv, hidden)
    }

    fn composed(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, hidden] = x.dims();
        let half = self.cos.dims()[2];
        let x = x.reshape([tokens, hidden / (2 * half), 2 * half]);
        let (first, second) = (x.clone().narrow(2, 0, half), x.narrow(2, half, half));
        let turned = [
            first.clone() * self.cos.clone() - second.clone() * self.sin.clone(),
            second * self.cos.clone() + first * self.sin.clone(),
        ];
        Tensor::cat(turned.into(), 2).reshape([tokens, hidden])
    }

    fn composed_packed(&self, qkv: Tensor<2>, hidden: usize) -> Tensor<2> {
        Tensor::cat(vec![self.composed(qkv.clone().narrow(1, 0, 2 * hidden)), qkv.narrow(1, 2 * hidden, hidden)], 1)
    }
}

/// `1 / theta^(2i / head_dim)` for each `i` below half of `head_dim`.
fn frequencies(head_dim: usize, theta: f64) -> Vec<f32> {
    let power = |i: usize| theta.powf(f64::from((2 * i) as f32 / head_dim as f32)) as f32;
    (0..head_dim / 2).map(|i| 1.0 / power(i)).collect()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;

    // 1.0 / (160000.0 ** (torch.arange(0, 64, 2, dtype=torch.int64).float() / 64))[[1, 5, 17, 31]]
    #[test]
    fn frequencies_are_those_of_transformers() {
        let frequencies = frequencies(64, 160_000.0);
        let some = [1, 5, 17, 31].map(|i: usize| frequencies[i]);
        assert_eq!(some, [0.68765604, 0.15376456, 0.0017191401, 9.088847e-6]);
    }

    // x = torch.arange(2 * 2 * 4, dtype=torch.float32).reshape(1, 2, 2, 4).sin()  # [1, heads, tokens, head_dim]
    // frequencies = 1.0 / (10000.0 ** (torch.arange(0, 4, 2).float() / 4)); angles = torch.tensor([[0.], [3.]]) * frequencies
    // cos, sin = (torch.cat((angles, angles), -1)[None].cos(), torch.cat((angles, angles), -1)[None].sin())
    // q, _ = transformers.models.modernbert.modeling_modernbert.apply_rotary_pos_emb(x, x, cos, sin)
    // print(q.transpose(1, 2).reshape(2, 8))
    #[test]
    fn heads_are_turned_as_in_transformers() {
        let device = Device::flex();
        // The second token of q is at position 3; the other tokens of that text are zero.
        let spans = Spans::from_lengths(&[1, 4]);
        let sin = |range: std::ops::Range<i32>| range.map(|i| (i as f32).sin());
        let mut x = vec![0.0f32; 5 * 8];
        x[..8].copy_from_slice(&sin(0..4).chain(sin(8..12)).collect::<Vec<_>>());
        x[32..].copy_from_slice(&sin(4..8).chain(sin(12..16)).collect::<Vec<_>>());
        let x = Tensor::<2>::from_data(TensorData::new(x, [5, 8]), &device);
        let turned = Rotary::new(&spans, 4, 10_000.0, &device).apply(x.clone());
        let expected = [
            [0.0, 0.84147096, 0.9092974, 0.14112, 0.98935825, 0.4121185, -0.5440211, -0.9999902f32],
            [0.7886599, -0.9781995, 0.16981927, 0.62792754, 0.39140862, 0.40047225, -1.0564151, 0.6625984],
        ];
        let found = Tensor::cat(vec![turned.clone().narrow(0, 0, 1), turned.narrow(0, 4, 1)], 0);
        found.into_data().assert_approx_eq::<f32>(&TensorData::from(expected), Tolerance::absolute(2e-6));
    }

    #[test]
    fn products_depend_on_distances_alone() {
        let device = Device::flex();
        let rotary = Rotary::new(&Spans::from_lengths(&[40]), 8, 10_000.0, &device);
        let row = |seed: f32| {
            let values: Vec<f32> = (0..8).map(|i| (seed + i as f32).sin()).collect();
            rotary.apply(Tensor::<1>::from_data(values.as_slice(), &device).reshape([1, 8]).expand([40, 8]))
        };
        let products = row(0.3).matmul(row(1.7).transpose()).into_data().try_to_vec::<f32>().unwrap();
        for position in 0..30 {
            assert!((products[position * 40 + position + 9] - products[9]).abs() < 1e-5);
        }
        assert!((products[9] - products[0]).abs() > 1e-2);
    }

    #[test]
    fn kernels_agree_with_their_twins() {
        use crate::fused::testing::{agree, random, same_on_any_threads};
        let device = Device::flex();
        for (lengths, head_dim, heads) in
            [(vec![1], 2, 1), (vec![3, 0, 4], 6, 3), (vec![5, 9], 34, 2), (vec![40, 1, 90], 64, 6)]
        {
            let spans = Spans::from_lengths(&lengths);
            let rotary = Rotary::new(&spans, head_dim, 10_000.0, &device);
            let hidden = heads * head_dim;
            let x = random([spans.tokens(), hidden], 1);
            agree([x], |[x]| rotary.apply(x), |[x]| rotary.composed(x), 1e-6);
            let qkv = random([spans.tokens(), 3 * hidden], 2);
            let twin = |[x]: [Tensor<2>; 1]| rotary.composed_packed(x, hidden);
            agree([qkv.clone()], |[x]| rotary.apply_packed(x), twin, 1e-6);
            // In place, for nobody else holds the array.
            agree([qkv.clone()], |[x]| rotary.apply_packed(x * 1.0), twin, 1e-6);
            same_on_any_threads([qkv], |[x]| rotary.apply_packed(x));
        }
    }
}
