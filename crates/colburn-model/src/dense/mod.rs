//! The projection behind the encoder (`pylate.models.Dense`): `act(W x + b)`, with an optional residual.

mod activation;

use burn::{
    module::{Module, Param},
    nn::{Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};

use self::activation::DenseActivation;
use crate::encoder::EncoderContext;

/// The largest width; a larger one is a mistake in a file.
const MOST_FEATURES: usize = 1 << 24;

/// The folder of a projection, which is also the first part of the names of its parameters; `index` counts from 0 behind the encoder.
pub(crate) fn folder(index: usize) -> String {
    format!("{}_Dense", index + 1)
}

/// `config.json` of a Dense module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseConfig {
    /// The width of the input.
    pub in_features: usize,
    /// The width of the output.
    pub out_features: usize,
    /// True if there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The activation by its Python path, such as `torch.nn.modules.linear.Identity`.
    #[serde(default = "identity")]
    pub activation_function: String,
    /// True if the input is added to the output, after a projection if the widths differ.
    #[serde(default)]
    pub use_residual: bool,
}

fn yes() -> bool {
    true
}

fn identity() -> String {
    "torch.nn.modules.linear.Identity".to_owned()
}

impl DenseConfig {
    /// PyLate's new projection: no bias, identity.
    pub(crate) fn new(in_features: usize, out_features: usize) -> Self {
        Self { in_features, out_features, bias: false, activation_function: identity(), use_residual: false }
    }

    /// The reason why this configuration cannot be used.
    pub(crate) fn problem(&self) -> Option<String> {
        let sizes = [("in_features", self.in_features), ("out_features", self.out_features)];
        if let Some((key, size)) = sizes.iter().find(|(_, size)| !(1..=MOST_FEATURES).contains(size)) {
            return Some(format!("{key} = {size}; a number from 1 to {MOST_FEATURES} is expected"));
        }
        match DenseActivation::from_path(&self.activation_function) {
            None => {
                let (name, known) = (&self.activation_function, DenseActivation::names());
                Some(format!(
                    "activation_function = \"{name}\"; torch.nn.modules.linear.Identity or one of these of torch.nn.modules.activation is expected: {known}"
                ))
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
        let activation = DenseActivation::from_path(&self.activation_function).unwrap_or(DenseActivation::Identity);
        let slope = || Slope { weight: Initializer::Zeros.init([1], device) };
        Dense {
            linear: linear(self.bias),
            activation_function: (activation == DenseActivation::Prelu).then(slope),
            residual: (self.use_residual && self.in_features != self.out_features).then(|| linear(false)),
            activation,
            config: self.clone(),
        }
    }
}

/// One projection of token vectors.
#[derive(Module, Debug)]
pub struct Dense {
    linear: Linear,
    /// The weight of PReLU; the other activations have none.
    activation_function: Option<Slope>,
    residual: Option<Linear>,
    #[module(skip)]
    activation: DenseActivation,
    #[module(skip)]
    config: DenseConfig,
}

/// The weight of PReLU.
#[derive(Module, Debug)]
struct Slope {
    weight: Param<Tensor<1>>,
}

impl Dense {
    /// Projects `[tokens, in_features]` to `[tokens, out_features]`.
    pub(crate) fn forward(&self, x: Tensor<2>, context: &EncoderContext) -> Tensor<2> {
        let y = context.linear(&self.linear, x.clone());
        let slope = self.activation_function.as_ref().map(|slope| slope.weight.val());
        let y = self.activation.forward(y, slope);
        match (self.config.use_residual, &self.residual) {
            (false, _) => y,
            (true, None) => y + x,
            (true, Some(residual)) => y + context.linear(residual, x),
        }
    }

    /// The configuration.
    pub fn config(&self) -> &DenseConfig {
        &self.config
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::weights::{self, Weights};
    use burn::tensor::{Device, TensorData};
    use colburn_ops::{Dropout, Precision, Spans};

    /// A projection loaded from files as PyLate writes them.
    fn load(config: &str, tensors: &[(&str, &[usize], &[f32])]) -> Dense {
        let config: DenseConfig = serde_json::from_str(config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let tensors: Vec<_> = tensors
            .iter()
            .map(|(name, shape, values)| ((*name).to_owned(), TensorData::new(values.to_vec(), shape.to_vec())))
            .collect();
        weights::write(&folder.path().join("model.safetensors"), &tensors).unwrap();
        Weights::open(folder.path()).unwrap().load_into(config.init(&Device::flex())).unwrap()
    }

    // a = pylate.models.Dense(3, 2, bias=True, activation_function=torch.nn.Tanh(), use_residual=True)
    // b = pylate.models.Dense(2, 2, bias=False, activation_function=torch.nn.ReLU(), use_residual=True)
    // y = a({"token_embeddings": x})["token_embeddings"]; z = b({"token_embeddings": y})["token_embeddings"]
    #[test]
    fn bias_activation_and_both_kinds_of_residual() {
        let first = load(
            r#"{"in_features": 3, "out_features": 2, "bias": true, "use_residual": true,
                "activation_function": "torch.nn.modules.activation.Tanh"}"#,
            &[
                ("linear.weight", &[2, 3], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
                ("linear.bias", &[2], &[0.7, -0.8]),
                ("residual.weight", &[2, 3], &[1.0, 0.0, -1.0, 0.5, 0.25, 0.0]),
            ],
        );
        let second = load(
            r#"{"in_features": 2, "out_features": 2, "bias": false, "use_residual": true,
                "activation_function": "torch.nn.modules.activation.ReLU"}"#,
            &[("linear.weight", &[2, 2], &[1.0, -1.0, -1.0, 1.0])],
        );
        let x = Tensor::from_data(TensorData::from([[1.0f32, 2.0, 3.0], [-1.0, 0.5, 0.0]]), &Device::flex());
        let spans = Spans::from_lengths(&[2]);
        let context = EncoderContext::new(&spans, Dropout::off(), Precision::F32, &Device::flex());
        let y = first.forward(x, &context);
        let z = second.forward(y.clone(), &context);
        let first = [-1.029_548, 1.983_674_9, -0.395_632_2, -1.114_783];
        let second = [-1.029_548, 4.996_897_7, 0.323_518_63, -1.114_783];
        for (found, expected) in [(y, first), (z, second)] {
            let found = found.into_data().try_to_vec::<f32>().unwrap();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn an_unknown_activation_is_named() {
        let path = "torch.nn.modules.activation.Softmax";
        let config = DenseConfig { activation_function: path.into(), ..DenseConfig::new(2, 2) };
        assert!(config.problem().unwrap().contains(path));
    }
}
