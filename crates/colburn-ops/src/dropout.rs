//! Dropout that is active exactly where a gradient may be asked for.

use burn::tensor::{Distribution, Tensor};

/// Zeroes each element with probability `p` and scales the others by `1 / (1 - p)`, while training: on an autodiff device.
///
/// The draw comes from the device's generator (`Device::seed`), so a seeded step can be repeated.
pub fn dropout<const D: usize>(x: Tensor<D>, p: f64) -> Tensor<D> {
    if p == 0.0 || !x.device().is_autodiff() {
        return x;
    }
    let keep = 1.0 - p;
    let kept = x.random_like(Distribution::Bernoulli(keep));
    x * (kept * (1.0 / keep))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn active_in_training_only() {
        let x = Tensor::<2>::ones([100, 100], &Device::flex());
        assert_eq!(dropout(x.clone(), 0.5).sum().into_scalar::<f32>(), 10_000.0);

        let device = Device::flex().autodiff();
        device.seed(3);
        let x = Tensor::<2>::ones([100, 100], &device);
        let kept = dropout(x.clone(), 0.1).inner();
        assert!((kept.clone().mean().into_scalar::<f32>() - 1.0).abs() < 0.02);
        assert!((kept.clone().max().into_scalar::<f32>() - 1.0 / 0.9).abs() < 1e-6);
        device.seed(3);
        let again = dropout(x, 0.1).inner();
        assert_eq!(again.to_data(), kept.to_data());
    }
}
