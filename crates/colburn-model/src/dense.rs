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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::weights::Weights;
    use burn::tensor::{Device, TensorData};
    use safetensors::{Dtype, tensor::TensorView};

    /// A projection loaded from files as PyLate writes them.
    fn load(config: &str, tensors: &[(&str, &[usize], &[f32])]) -> Dense {
        let config: DenseConfig = serde_json::from_str(config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes: Vec<Vec<u8>> =
            tensors.iter().map(|(.., values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
        let views = tensors
            .iter()
            .zip(&bytes)
            .map(|((name, shape, _), bytes)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        Weights::read(&path).unwrap().load_into(config.init(&Device::flex())).unwrap()
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
        let y = first.forward(x);
        let z = second.forward(y.clone());
        let first = [-1.029_548, 1.983_674_9, -0.395_632_2, -1.114_783];
        let second = [-1.029_548, 4.996_897_7, 0.323_518_63, -1.114_783];
        for (found, expected) in [(y, first), (z, second)] {
            let found = found.into_data().try_to_vec::<f32>().unwrap();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn an_unknown_activation_is_named() {
        let config =
            DenseConfig { activation_function: "torch.nn.modules.activation.Mish".into(), ..DenseConfig::new(2, 2) };
        assert!(config.problem().unwrap().contains("Mish"));
    }
}
