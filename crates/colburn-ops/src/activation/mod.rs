//! The activations of encoders' feed-forward layers, exact in value and gradient on every backend.
//!
//! Burn's own `gelu` computes its gradient by the tanh formula on some backends (off by up to 1e-3), so GELU is composed from `erf`
//! here and differentiated by autodiff. On the CPU the functions that encoders have are fused kernels.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::tensor::{
    Tensor,
    activation::{relu, sigmoid},
};

#[cfg(feature = "flex")]
use crate::fused;

/// An activation function, by the name that `hidden_act` of a Hugging Face `config.json` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `gelu`: x Φ(x), with the error function.
    Gelu,
    /// `gelu_10`: the same, cut off at 10.
    Gelu10,
    /// `gelu_new` and other names of the tanh approximation.
    GeluNew,
    /// `quick_gelu`: x σ(1.702 x).
    QuickGelu,
    /// `relu`.
    Relu,
    /// `relu2`: the square of `relu`.
    Relu2,
    /// `relu6`: cut off at 6.
    Relu6,
    /// `leaky_relu`: with 1 % of what is negative.
    LeakyRelu,
    /// `silu`, `swish`: x σ(x).
    Silu,
    /// `mish`: x tanh(ln(1 + eˣ)).
    Mish,
    /// `sigmoid`.
    Sigmoid,
    /// `tanh`.
    Tanh,
    /// `linear`: what comes in.
    Linear,
}

impl Activation {
    /// The names that [`Activation::from_name`] knows: those of `ACT2FN` in transformers, without the functions that have parameters of
    /// their own (`prelu`, `xielu`), and `laplace`, which no encoder here has.
    pub const NAMES: [&'static str; 19] = [
        "gelu",
        "gelu_python",
        "gelu_10",
        "gelu_new",
        "gelu_fast",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_accurate",
        "quick_gelu",
        "relu",
        "relu2",
        "relu6",
        "leaky_relu",
        "silu",
        "swish",
        "mish",
        "sigmoid",
        "tanh",
        "linear",
    ];

    /// The activation that goes by this name in a `config.json`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" => Self::Gelu,
            "gelu_10" => Self::Gelu10,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_accurate" => Self::GeluNew,
            "quick_gelu" => Self::QuickGelu,
            "relu" => Self::Relu,
            "relu2" => Self::Relu2,
            "relu6" => Self::Relu6,
            "leaky_relu" => Self::LeakyRelu,
            "silu" | "swish" => Self::Silu,
            "mish" => Self::Mish,
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "linear" => Self::Linear,
            _ => return None,
        })
    }

    /// Applies the function to every element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        #[cfg(feature = "flex")]
        if let Some(curve) = fused::Curve::of(self).filter(|_| fused::runs_on(&x)) {
            return fused::activate(curve, x);
        }
        self.composed(x)
    }

    /// The same, made of Burn's operations.
    pub(crate) fn composed<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => {
                let cdf = (x.clone() * FRAC_1_SQRT_2).erf().add_scalar(1.0) * 0.5;
                x * cdf
            }
            Self::Gelu10 => gelu(x).clamp_max(10.0),
            Self::GeluNew => {
                let cube = x.clone() * x.clone() * x.clone();
                let inner = (x.clone() + cube * 0.044715) * (2.0 / PI).sqrt();
                x * (inner.tanh().add_scalar(1.0) * 0.5)
            }
            Self::QuickGelu => x.clone() * sigmoid(x * 1.702),
            Self::Relu => relu(x),
            Self::Relu2 => {
                let x = relu(x);
                x.clone() * x
            }
            Self::Relu6 => relu(x).clamp_max(6.0),
            Self::LeakyRelu => x.clone() * 0.01 + relu(x) * 0.99,
            Self::Silu => x.clone() * sigmoid(x),
            Self::Mish => mish(x),
            Self::Sigmoid => sigmoid(x),
            Self::Tanh => x.tanh(),
            Self::Linear => x,
        }
    }

    /// A gated linear unit (Shazeer 2020; with GELU: GeGLU): the function of the first half of each row, times the second half.
    ///
    /// # Shapes
    /// `x`: `[tokens, 2 · width]`; the result: `[tokens, width]`.
    pub fn gated(self, x: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "flex")]
        if let Some(curve) = fused::Curve::of(self).filter(|_| fused::runs_on(&x)) {
            return fused::gated(curve, x);
        }
        self.gated_composed(x)
    }

    /// The same, made of Burn's operations.
    pub(crate) fn gated_composed(self, x: Tensor<2>) -> Tensor<2> {
        let width = x.dims()[1] / 2;
        self.composed(x.clone().narrow(1, 0, width)) * x.narrow(1, width, width)
    }
}

/// GELU with the error function: `x · (1 + erf(x / √2)) / 2` (Hendrycks and Gimpel 2016; `torch.nn.functional.gelu`).
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::Gelu.forward(x)
}

/// GELU by the tanh formula: `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` (`gelu_new` of transformers).
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Activation::GeluNew.forward(x)
}

/// With e = eˣ, tanh(ln(1 + e)) is n / (n + 2) for n = e (e + 2), which beyond 20 is 1.
fn mish<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let e = x.clone().clamp_max(20.0).exp();
    let n = e.clone() * e.add_scalar(2.0);
    x * (n.clone() / n.add_scalar(2.0))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn value_and_gradient<const D: usize>(
        x: Tensor<D>,
        function: impl Fn(Tensor<D>) -> Tensor<D>,
    ) -> (Vec<f32>, Vec<f32>) {
        let x = x.require_grad();
        let y = function(x.clone());
        let gradients = y.clone().sum().backward();
        let values = |data: TensorData| data.try_to_vec::<f32>().unwrap();
        (values(y.inner().into_data()), values(x.grad(&gradients).unwrap().into_data()))
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-6 * b.abs().max(1.0);
        assert!(found.iter().zip(expected).all(near), "{what}: {found:?} is not {expected:?}");
    }

    // for name in …:
    //     x = torch.tensor([-30., -3., -.5, 0., .7, 2., 8., 30.], requires_grad=True)
    //     y = transformers.activations.ACT2FN[name](x); y.sum().backward(); print(name, y, x.grad)
    #[test]
    fn values_and_gradients_are_those_of_torch() {
        let x = [-30.0, -3.0, -0.5, 0.0, 0.7, 2.0, 8.0, 30.0f32];
        let gelu = [0.0, -0.004050225, -0.15426877, 0.0, 0.53062546, 1.9544997, 8.0, 30.0f32];
        let gelu_slope = [0.0, -0.011945605, 0.13250491, 0.5, 0.9766141, 1.0852319, 1.0, 1.0f32];
        let tanh_gelu = [0.0, -0.003637433, -0.154286, 0.0, 0.53057015, 1.9545977, 8.0, 30.0f32];
        let tanh_gelu_slope = [0.0, -0.011584297, 0.1326301, 0.5, 0.9763572, 1.0860993, 1.0, 1.0f32];
        let silu = [-2.8e-12, -0.14227761, -0.18877034, 0.0, 0.46773142, 1.761594, 7.9973173, 30.0f32];
        let silu_slope = [-2.7e-12, -0.08810411, 0.26003882, 0.5, 0.8233867, 1.0907843, 1.0023464, 1.0f32];
        let expected: [(&[&str], [f32; 8], [f32; 8]); 13] = [
            (&["gelu", "gelu_python"], gelu, gelu_slope),
            (
                &["gelu_10"],
                [0.0, -0.004050225, -0.15426877, 0.0, 0.53062546, 1.9544997, 8.0, 10.0],
                [0.0, -0.011945605, 0.13250491, 0.5, 0.9766141, 1.0852319, 1.0, 0.0],
            ),
            (
                &["gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate"],
                tanh_gelu,
                tanh_gelu_slope,
            ),
            (
                &["quick_gelu"],
                [-2.0e-21, -0.01807131, -0.14961156, 0.0, 0.53689396, 1.9356586, 7.9999905, 30.0],
                [-3.3e-21, -0.024548328, 0.120778084, 0.5, 0.9799132, 1.0738155, 1.000015, 1.0],
            ),
            (&["relu"], [0.0, 0.0, 0.0, 0.0, 0.7, 2.0, 8.0, 30.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
            (&["relu2"], [0.0, 0.0, 0.0, 0.0, 0.49, 4.0, 64.0, 900.0], [0.0, 0.0, 0.0, 0.0, 1.4, 4.0, 16.0, 60.0]),
            (&["relu6"], [0.0, 0.0, 0.0, 0.0, 0.7, 2.0, 6.0, 6.0], [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]),
            (
                &["leaky_relu"],
                [-0.3, -0.03, -0.005, 0.0, 0.7, 2.0, 8.0, 30.0],
                [0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0],
            ),
            (&["silu", "swish"], silu, silu_slope),
            (
                &["mish"],
                [-2.8e-12, -0.14564747, -0.22074376, 0.0, 0.56114835, 1.943959, 7.999998, 30.0],
                [-2.7e-12, -0.093393125, 0.28951064, 0.6, 0.9687949, 1.0693179, 1.0000036, 1.0],
            ),
            (
                &["sigmoid"],
                [9.4e-14, 0.047425874, 0.37754068, 0.5, 0.66818774, 0.880797, 0.99966466, 1.0],
                [9.4e-14, 0.04517666, 0.23500371, 0.25, 0.22171289, 0.10499363, 0.00033522327, 0.0],
            ),
            (
                &["tanh"],
                [-1.0, -0.9950548, -0.46211717, 0.0, 0.6043678, 0.9640276, 0.99999976, 1.0],
                [0.0, 0.009865982, 0.7864477, 1.0, 0.6347396, 0.070650816, 4.768371e-07, 0.0],
            ),
            (&["linear"], x, [1.0; 8]),
        ];
        for (names, y, slope) in &expected {
            for name in *names {
                let activation = Activation::from_name(name).unwrap();
                let x = Tensor::<1>::from_data(x, &Device::flex().autodiff());
                let found = value_and_gradient(x, |x| activation.forward(x));
                close(&found.0, y, name);
                close(&found.1, slope, name);
            }
        }
        let tested: Vec<&str> = expected.iter().flat_map(|(names, ..)| names.iter().copied()).collect();
        assert!(Activation::NAMES.iter().all(|name| tested.contains(name)), "a name without numbers");
        assert_eq!(Activation::from_name("prelu"), None);
    }

    // x = torch.tensor([[1., -.5, 2., 3.]], requires_grad=True); a, gate = x.chunk(2, dim=-1)
    // y = torch.nn.functional.gelu(a) * gate; y.sum().backward(); print(y, x.grad)
    #[test]
    fn the_second_half_is_the_gate() {
        let x = Tensor::<2>::from_data([[1.0, -0.5, 2.0, 3.0]], &Device::flex().autodiff());
        let (y, dx) = value_and_gradient(x, |x| Activation::Gelu.gated(x));
        close(&y, &[1.6826895, -0.4628063], "value");
        close(&dx, &[2.1666307, 0.39751473, 0.8413447, -0.15426877], "gradient");
    }
}
