//! The activations of BERT's feed-forward layers, exact in value and gradient on every backend.
//!
//! Burn's own `gelu` computes its gradient by the tanh formula on some backends (off by up to 1e-3), so GELU is composed from `erf`
//! here and differentiated by autodiff.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::tensor::{Tensor, activation::relu};

/// An activation function, by the name that `hidden_act` of a Hugging Face `config.json` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `gelu`: x Φ(x), with the error function.
    Gelu,
    /// `gelu_new`: the tanh approximation.
    GeluNew,
    /// `relu`.
    Relu,
}

impl Activation {
    /// The names that [`Activation::from_name`] knows.
    pub const NAMES: [&'static str; 3] = ["gelu", "gelu_new", "relu"];

    /// The activation that goes by this name in a `config.json`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" => Some(Self::GeluNew),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// Applies the function to every element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluNew => gelu_new(x),
            Self::Relu => relu(x),
        }
    }
}

/// GELU with the error function: `x · (1 + erf(x / √2)) / 2` (Hendrycks and Gimpel 2016; `torch.nn.functional.gelu`).
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cdf = (x.clone() * FRAC_1_SQRT_2).erf().add_scalar(1.0) * 0.5;
    x * cdf
}

/// GELU by the tanh formula: `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` (`gelu_new` of transformers).
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cube = x.clone() * x.clone() * x.clone();
    let inner = (x.clone() + cube * 0.044715) * (2.0 / PI).sqrt();
    x * (inner.tanh().add_scalar(1.0) * 0.5)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData, Tolerance};

    fn value_and_gradient(activation: Activation, x: &[f32]) -> (TensorData, TensorData) {
        let device = Device::flex().autodiff();
        let x = Tensor::<1>::from_data(x, &device).require_grad();
        let y = activation.forward(x.clone());
        let gradients = y.clone().sum().backward();
        (y.inner().into_data(), x.grad(&gradients).unwrap().into_data())
    }

    // x = torch.tensor([-3., -1., -.5, 0., .5, 1., 3.], requires_grad=True)
    // y = torch.nn.functional.gelu(x); y.sum().backward(); print(y, x.grad)
    #[test]
    fn gelu_is_exact_in_value_and_gradient() {
        let (y, dx) = value_and_gradient(Activation::Gelu, &[-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0]);
        let expected = [-0.004050225, -0.15865526, -0.15426877, 0.0, 0.34573123, 0.8413447, 2.9959497f32];
        let gradient = [-0.011945605, -0.08331543, 0.13250491, 0.5, 0.86749506, 1.0833154, 1.0119456f32];
        y.assert_approx_eq::<f32>(&TensorData::from(expected), Tolerance::absolute(2e-6));
        dx.assert_approx_eq::<f32>(&TensorData::from(gradient), Tolerance::absolute(2e-6));
    }

    // y = torch.nn.functional.gelu(x, approximate="tanh")
    #[test]
    fn gelu_new_follows_the_tanh_formula() {
        let (y, _) = value_and_gradient(Activation::GeluNew, &[-1.0, 0.5, 2.0]);
        let expected = [-0.158808, 0.345714, 1.9545977f32];
        y.assert_approx_eq::<f32>(&TensorData::from(expected), Tolerance::absolute(2e-6));
    }

    #[test]
    fn every_listed_name_is_known() {
        assert!(Activation::NAMES.iter().all(|name| Activation::from_name(name).is_some()));
        assert_eq!(Activation::from_name("swish"), None);
    }
}
