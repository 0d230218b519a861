//! The activation functions by name.

/// An activation function, by the name that `hidden_act` of a Hugging Face `config.json` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `gelu`: x Φ(x), with the error function.
    Gelu,
    /// `gelu_10`: GELU, at most 10.
    Gelu10,
    /// `gelu_new` and other names of the tanh approximation.
    GeluNew,
    /// `quick_gelu`: x σ(1.702 x).
    QuickGelu,
    /// `relu`.
    Relu,
    /// `relu2`: the square of `relu`.
    Relu2,
    /// `relu6`: `relu`, at most 6.
    Relu6,
    /// `leaky_relu`: 1 % of negative numbers.
    LeakyRelu,
    /// `silu`, `swish`: x σ(x).
    Silu,
    /// `mish`: x tanh(ln(1 + eˣ)).
    Mish,
    /// `sigmoid`.
    Sigmoid,
    /// `tanh`.
    Tanh,
    /// `linear`: the identity.
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

    /// The activation that has this name in a `config.json`.
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
}
