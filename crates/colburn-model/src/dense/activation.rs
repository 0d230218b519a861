//! The activations of a Dense module: those of torch.nn that need no arguments and work on each number by itself.
//!
//! RReLU, which is random, the softmaxes, which work on a row, and GLU, which halves the width, are not supported.

use burn::tensor::{
    Tensor,
    activation::{
        hard_shrink, hard_sigmoid, leaky_relu, log_sigmoid, relu, relu6, sigmoid, soft_shrink, softsign, tanhshrink,
    },
};
use colburn_ops::gelu;

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// An activation, with torch's default parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DenseActivation {
    /// Also `CELU`, which is the same for α = 1.
    Elu,
    Gelu,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyRelu,
    LogSigmoid,
    Mish,
    /// Its slope is a weight of the module.
    Prelu,
    Relu,
    Relu6,
    Selu,
    Sigmoid,
    Silu,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
}

impl DenseActivation {
    const NAMES: [(&str, Self); 22] = [
        ("CELU", Self::Elu),
        ("ELU", Self::Elu),
        ("GELU", Self::Gelu),
        ("Hardshrink", Self::Hardshrink),
        ("Hardsigmoid", Self::Hardsigmoid),
        ("Hardswish", Self::Hardswish),
        ("Hardtanh", Self::Hardtanh),
        ("Identity", Self::Identity),
        ("LeakyReLU", Self::LeakyRelu),
        ("LogSigmoid", Self::LogSigmoid),
        ("Mish", Self::Mish),
        ("PReLU", Self::Prelu),
        ("ReLU", Self::Relu),
        ("ReLU6", Self::Relu6),
        ("SELU", Self::Selu),
        ("SiLU", Self::Silu),
        ("Sigmoid", Self::Sigmoid),
        ("Softplus", Self::Softplus),
        ("Softshrink", Self::Softshrink),
        ("Softsign", Self::Softsign),
        ("Tanh", Self::Tanh),
        ("Tanhshrink", Self::Tanhshrink),
    ];

    /// The activation with this path of its Python class, such as `torch.nn.modules.activation.Tanh`.
    pub fn from_path(path: &str) -> Option<Self> {
        let (module, name) = path.rsplit_once('.')?;
        let of_torch = module == "torch.nn" || module.starts_with("torch.nn.");
        Self::NAMES.iter().find(|(known, _)| of_torch && *known == name).map(|(_, activation)| *activation)
    }

    /// The known names, for error messages.
    pub fn names() -> String {
        Self::NAMES.map(|(name, _)| name).join(", ")
    }

    /// Applies the activation to every element; `slope` `[1]` is the weight of PReLU.
    pub fn forward(self, x: Tensor<2>, slope: Option<Tensor<1>>) -> Tensor<2> {
        match self {
            Self::Elu => relu(x.clone()) + exponential_part(x),
            Self::Gelu => gelu(x),
            Self::Hardshrink => hard_shrink(x, 0.5),
            Self::Hardsigmoid => hard_sigmoid(x, 1.0 / 6.0, 0.5),
            Self::Hardswish => x.clone() * hard_sigmoid(x, 1.0 / 6.0, 0.5),
            Self::Hardtanh => hardtanh(x),
            Self::Identity => x,
            Self::LeakyRelu => leaky_relu(x, 0.01),
            Self::LogSigmoid => log_sigmoid(x),
            Self::Mish => x.clone() * softplus(x).tanh(),
            Self::Prelu => match slope {
                Some(slope) => relu(x.clone()) - relu(-x) * slope.reshape([1, 1]),
                None => relu(x),
            },
            Self::Relu => relu(x),
            Self::Relu6 => relu6(x),
            Self::Selu => relu(x.clone()) * SELU_SCALE + exponential_part(x) * (SELU_ALPHA * SELU_SCALE),
            Self::Sigmoid => sigmoid(x),
            Self::Silu => x.clone() * sigmoid(x),
            Self::Softplus => softplus(x),
            Self::Softshrink => soft_shrink(x, 0.5),
            Self::Softsign => softsign(x),
            Self::Tanh => x.tanh(),
            Self::Tanhshrink => tanhshrink(x),
        }
    }
}

/// Clamps to the range from -1 to 1. As in torch, the gradient is zero at both ends and beyond them.
fn hardtanh(x: Tensor<2>) -> Tensor<2> {
    let beyond = x.clone().abs().greater_equal_scalar(1.0);
    x.clone().mask_where(beyond, x.sign())
}

/// `exp(x) − 1` where x is negative, else 0. Positive numbers are clamped before the exponential, because an overflow would have no gradient.
fn exponential_part(x: Tensor<2>) -> Tensor<2> {
    x.clamp_max(0.0).exp().sub_scalar(1.0)
}

/// `log(1 + exp(x))`, without overflow.
fn softplus(x: Tensor<2>) -> Tensor<2> {
    -log_sigmoid(-x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_torch() {
        assert_eq!(DenseActivation::from_path("torch.nn.modules.activation.Tanh"), Some(DenseActivation::Tanh));
        assert_eq!(DenseActivation::from_path("torch.nn.GELU"), Some(DenseActivation::Gelu));
        for unknown in ["Tanh", "my.module.Tanh", "torch.nn.modules.activation.RReLU", "torch.nnTanh", "", "os.system"]
        {
            assert_eq!(DenseActivation::from_path(unknown), None, "{unknown}");
        }
    }

    // y = torch.nn.NAME()(x); (y * torch.arange(1, len(x) + 1)).sum().backward(); print(y, x.grad)
    #[cfg(feature = "flex")]
    #[test]
    fn values_and_gradients_are_those_of_torch() {
        use burn::tensor::{Device, TensorData};
        use safetensors::SafeTensors;

        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/heads.safetensors");
        let bytes = std::fs::read(path).unwrap();
        let golden = SafeTensors::deserialize(&bytes).unwrap();
        let golden = |key: &str| -> Vec<f32> {
            let view = golden.tensor(&format!("activation.{key}")).unwrap();
            view.data().as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
        };
        let device = Device::flex().autodiff();
        let points = golden("x");
        let shape = [points.len(), 1];
        let weights: Vec<f32> = (1..=points.len()).map(|weight| weight as f32).collect();
        for (name, activation) in DenseActivation::NAMES {
            let x = Tensor::<2>::from_data(TensorData::new(points.clone(), shape), &device).require_grad();
            let y = activation.forward(x.clone(), Some(Tensor::from_data([0.25], &device)));
            let weights = Tensor::<2>::from_data(TensorData::new(weights.clone(), shape), &device);
            let gradients = (y.clone() * weights).sum().backward();
            let found = [y.inner(), x.grad(&gradients).unwrap()].map(|t| t.into_data().try_to_vec::<f32>().unwrap());
            for (what, found) in ["value", "gradient"].into_iter().zip(found) {
                let expected = golden(&format!("{name}.{what}"));
                for ((x, found), expected) in points.iter().zip(found).zip(expected) {
                    let off = (found - expected).abs();
                    assert!(off <= 2e-6 * expected.abs().max(1.0), "{name} at {x}: {what} {found}, torch's {expected}");
                }
            }
        }
    }
}
