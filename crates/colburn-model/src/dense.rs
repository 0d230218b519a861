//! The projection behind the encoder (`pylate.models.Dense`): `act(W x + b)`, with a residual when asked for.

use burn::{
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor, activation},
};
use colburn_ops::gelu;
use serde::{Deserialize, Serialize};

/// `config.json` of a Dense module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// Width that comes in.
    pub in_features: usize,
    /// Width that goes out.
    pub out_features: usize,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The activation by its Python path, such as `torch.nn.modules.linear.Identity`.
    #[serde(default = "identity")]
    pub activation_function: String,
    /// Whether the input is added to the output, projected when the widths differ.
    #[serde(default)]
    pub use_residual: bool,
}

fn yes() -> bool {
    true
}

fn identity() -> String {
    "torch.nn.modules.linear.Identity".to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum DenseActivation {
    Identity,
    Tanh,
    Relu,
    Gelu,
    Sigmoid,
}

impl DenseActivation {
    const NAMES: &str = "Identity, Tanh, ReLU, GELU, Sigmoid";

    fn from_path(path: &str) -> Option<Self> {
        match path.rsplit('.').next()? {
            "Identity" => Some(Self::Identity),
            "Tanh" => Some(Self::Tanh),
            "ReLU" => Some(Self::Relu),
            "GELU" => Some(Self::Gelu),
            "Sigmoid" => Some(Self::Sigmoid),
            _ => None,
        }
    }
}

impl DenseConfig {
    /// PyLate's new projection: no bias, identity.
    pub(crate) fn new(in_features: usize, out_features: usize) -> Self {
        Self { in_features, out_features, bias: false, activation_function: identity(), use_residual: false }
    }

    /// What makes this configuration unusable.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.in_features == 0 || self.out_features == 0 {
            return Some("in_features and out_features must be positive".to_owned());
        }
        match DenseActivation::from_path(&self.activation_function) {
            None => {
                let (name, known) = (&self.activation_function, DenseActivation::NAMES);
                Some(format!("activation_function = \"{name}\"; one of torch's {known} is expected"))
            }
            Some(_) => None,
        }
    }

    /// A module of these shapes, all zero.
    pub(crate) fn init(&self, device: &Device) -> Dense {
        let linear = |bias| {
            LinearConfig::new(self.in_features, self.out_features)
                .with_bias(bias)
                .with_initializer(Initializer::Zeros)
                .init(device)
        };
        Dense {
            linear: linear(self.bias),
            residual: (self.use_residual && self.in_features != self.out_features).then(|| linear(false)),
            config: self.clone(),
        }
    }
}

/// One projection of token vectors.
#[derive(Module, Debug)]
pub struct Dense {
    linear: Linear,
    residual: Option<Linear>,
    #[module(skip)]
    config: DenseConfig,
}

impl Dense {
    /// `[tokens, in_features]` to `[tokens, out_features]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = self.linear.forward(x.clone());
        let y = match DenseActivation::from_path(&self.config.activation_function) {
            None | Some(DenseActivation::Identity) => y,
            Some(DenseActivation::Tanh) => y.tanh(),
            Some(DenseActivation::Relu) => activation::relu(y),
            Some(DenseActivation::Gelu) => gelu(y),
            Some(DenseActivation::Sigmoid) => activation::sigmoid(y),
        };
        match (self.config.use_residual, &self.residual) {
            (false, _) => y,
            (true, None) => y + x,
            (true, Some(residual)) => y + residual.forward(x),
        }
    }

    /// Its configuration.
    pub fn config(&self) -> &DenseConfig {
        &self.config
    }
}
