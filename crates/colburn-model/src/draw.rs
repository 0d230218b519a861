//! New weights, drawn on the host: the same on every device and machine for one seed.

use std::f64::consts::TAU;

use burn::tensor::TensorData;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::names::Parameter;

/// A seeded source of weights.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number from `[0, 1)` with 53 random bits.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal number (Box and Muller).
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// A parameter of a new encoder as transformers draws it: weights normal, biases zero, norms one.
    pub fn encoder(&mut self, parameter: &Parameter, deviation: f64, padding: Option<u32>) -> TensorData {
        let count = parameter.shape.iter().product();
        let values: Vec<f32> = if parameter.shape.len() > 1 {
            let mut values: Vec<f32> = (0..count).map(|_| (self.normal() * deviation) as f32).collect();
            if let (true, Some(row)) = (is_vocabulary(&parameter.name), padding) {
                let width = parameter.shape[1];
                values.iter_mut().skip(row as usize * width).take(width).for_each(|value| *value = 0.0);
            }
            values
        } else if parameter.name.to_lowercase().ends_with("norm.weight") {
            vec![1.0; count]
        } else {
            vec![0.0; count]
        };
        TensorData::new(values, parameter.shape.clone())
    }

    /// A parameter of a new projection: PyTorch's default for linear layers, uniform within ±1/√in.
    pub fn linear(&mut self, parameter: &Parameter, in_features: usize) -> TensorData {
        let bound = 1.0 / (in_features as f64).sqrt();
        let count = parameter.shape.iter().product();
        let values: Vec<f32> = (0..count).map(|_| ((2.0 * self.uniform() - 1.0) * bound) as f32).collect();
        TensorData::new(values, parameter.shape.clone())
    }

    /// An embedding matrix `[rows, dim]` with another number of rows. Rows at the end are cut off, or drawn from a normal distribution with the
    /// mean of the old rows and 1e-9 of their covariance (`resize_token_embeddings` of transformers). A sum of the centred rows with
    /// normal weights has this covariance, so no matrix needs to be factored.
    pub fn resize(&mut self, matrix: &TensorData, rows: usize) -> TensorData {
        let (old, dim) = (matrix.shape()[0], matrix.shape()[1]);
        let mut values = matrix.as_slice::<f32>().unwrap_or_default().to_vec();
        let mut mean = vec![0f64; dim];
        for row in values.chunks_exact(dim) {
            row.iter().zip(&mut mean).for_each(|(value, sum)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= old as f64);
        let scale = (1e-9 / old as f64).sqrt();
        let mut fresh = Vec::with_capacity(rows.saturating_sub(old) * dim);
        for _ in old..rows {
            let mut row = mean.clone();
            for old_row in values.chunks_exact(dim) {
                let weight = self.normal() * scale;
                for ((value, old), mean) in row.iter_mut().zip(old_row).zip(&mean) {
                    *value += weight * (f64::from(*old) - mean);
                }
            }
            fresh.extend(row.into_iter().map(|value| value as f32));
        }
        values.extend(fresh);
        values.truncate(rows * dim);
        TensorData::new(values, [rows, dim])
    }
}

/// True for the name of the word embeddings of any family.
fn is_vocabulary(name: &str) -> bool {
    name.ends_with("word_embeddings.weight") || name.ends_with("tok_embeddings.weight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_rows_lie_at_the_mean_with_the_covariance_of_the_others() {
        let mut draw = Draw::new(1);
        let old: Vec<f32> = (0..400).flat_map(|_| [(draw.normal() * 3.0 + 5.0) as f32, draw.normal() as f32]).collect();
        let grown = draw.resize(&TensorData::new(old, [400, 2]), 2400);
        let rows: Vec<f32> = grown.try_to_vec().unwrap();
        let spread = |column: usize| {
            let values: Vec<f64> = rows[800..].chunks(2).map(|row| f64::from(row[column])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
        };
        let ((wide_mean, wide), (mean, narrow)) = (spread(0), spread(1));
        assert!((wide_mean - 5.0).abs() < 0.5 && mean.abs() < 0.2, "{wide_mean} {mean}");
        let expected = 1e-9f64.sqrt();
        assert!((wide / (3.0 * expected) - 1.0).abs() < 0.2, "{wide}");
        assert!((narrow / expected - 1.0).abs() < 0.2, "{narrow}");
    }

    #[test]
    fn rows_can_be_cut_off() {
        let cut =
            Draw::new(1).resize(&TensorData::new((0..6).map(|value| value as f32).collect::<Vec<_>>(), [3, 2]), 2);
        assert_eq!((cut.shape().to_vec(), cut.try_to_vec::<f32>().unwrap()), (vec![2, 2], vec![0.0, 1.0, 2.0, 3.0]));
    }

    #[test]
    fn the_stream_of_a_seed_never_changes() {
        let mut draw = Draw::new(42);
        let drawn: Vec<f32> = (0..3).map(|_| draw.normal() as f32).collect();
        assert_eq!(drawn, [1.4402541, -0.73568225, 0.48523733]);
    }
}
