//! The parameters of a module under their names in PyTorch's checkpoints.
//!
//! The path of fields is the name, with some differences of spelling: Rust's `layer_norm` and `self_attention` are `LayerNorm` and
//! `self` in PyTorch, and ModernBERT's `wqkv`, `wi` and `wo` begin with a capital. Burn keeps a linear weight as `[in, out]`, PyTorch as
//! `[out, in]`. The variant of an enum is not part of a name.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, TensorData},
};

/// A parameter of a model.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Hugging Face's name, such as `encoder.layer.0.output.dense.weight`; those of projections begin with `1_Dense.`.
    pub name: String,
    /// Burn's id, the key to gradients and to what an update keeps of it.
    pub id: ParamId,
    /// The shape in PyTorch.
    pub shape: Vec<usize>,
    /// True if Burn holds the transpose of PyTorch's tensor, as for the weights of linear layers.
    pub transposed: bool,
}

/// The position of a traversal.
#[derive(Default)]
struct Trail {
    path: Vec<String>,
    containers: Vec<String>,
}

impl Trail {
    fn enter(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    fn exit(&mut self) {
        self.path.pop();
        self.containers.pop();
    }

    fn name(&self) -> String {
        let fields = self.path.iter().zip(&self.containers).filter(|(_, container)| !container.starts_with("Enum:"));
        let spelled = fields.map(|(part, _)| match part.as_str() {
            "layer_norm" => "LayerNorm",
            "self_attention" => "self",
            "wqkv" => "Wqkv",
            "wi" => "Wi",
            "wo" => "Wo",
            other => other,
        });
        spelled.collect::<Vec<_>>().join(".")
    }

    /// The parameter at this position.
    fn parameter<const D: usize>(&self, param: &Param<Tensor<D>>) -> Parameter {
        let mut shape = param.lazy_shape().to_vec();
        let transposed = D == 2 && self.containers.iter().any(|container| container == "Struct:Linear");
        if transposed {
            shape.reverse();
        }
        Parameter { name: self.name(), id: param.id, shape, transposed }
    }
}

/// All parameters of a module, in the order of its fields.
pub(crate) fn parameters<M: Module>(module: &M, prefix: &str) -> Vec<Parameter> {
    struct Collect(Trail, Vec<Parameter>);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push(self.0.parameter(param));
        }
    }
    let mut collect = Collect(Trail::default(), Vec::new());
    module.visit(&mut collect);
    let Collect(_, mut parameters) = collect;
    parameters.iter_mut().for_each(|parameter| parameter.name.insert_str(0, prefix));
    parameters
}

/// The values of all parameters with their names, in PyTorch's layout.
pub(crate) fn values<M: Module>(module: &M) -> crate::Result<Vec<(String, TensorData)>> {
    struct Read(Trail, Vec<(String, TensorData)>, Option<String>);
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let parameter = self.0.parameter(param);
            let value = if parameter.transposed { param.val().transpose() } else { param.val() };
            match value.try_into_data() {
                Ok(data) => self.1.push((parameter.name, data)),
                Err(error) => self.2 = Some(error.to_string()),
            }
        }
    }
    let mut read = Read(Trail::default(), Vec::new(), None);
    module.visit(&mut read);
    match read.2 {
        Some(error) => Err(crate::Error::Device(error)),
        None => Ok(read.1),
    }
}

/// The module with each parameter replaced by the result of `value`, which is in PyTorch's layout. `None` keeps the parameter.
pub(crate) fn replace<M: Module>(module: M, value: impl FnMut(&Parameter) -> Option<TensorData>) -> M {
    struct Replace<F>(Trail, F);
    impl<F: FnMut(&Parameter) -> Option<TensorData>> ModuleMapper for Replace<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let parameter = self.0.parameter(&param);
            let Some(data) = (self.1)(&parameter) else { return param };
            let data = if parameter.transposed { transpose(data) } else { data };
            let device = param.lazy_device();
            param.map(|_| Tensor::from_data(data, &device)).set_require_grad(true)
        }
    }
    module.map(&mut Replace(Trail::default(), value))
}

/// The transpose of an f32 matrix, copied on the host, so that products with it read memory in order.
fn transpose(data: TensorData) -> TensorData {
    let (rows, columns) = (data.shape()[0], data.shape()[1]);
    let values = data.as_slice::<f32>().unwrap_or_default();
    let mut transposed = vec![0f32; values.len()];
    for (row, line) in values.chunks_exact(columns.max(1)).enumerate() {
        for (column, value) in line.iter().enumerate() {
            transposed[column * rows + row] = *value;
        }
    }
    TensorData::new(transposed, [columns, rows])
}
