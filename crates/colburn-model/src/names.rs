//! Every parameter under the name that PyTorch's checkpoints give it.
//!
//! The path of fields is the name, with three differences of spelling: Rust's `layer_norm` and `self_attention` are `LayerNorm` and
//! `self` there, a norm's `gamma` and `beta` are `weight` and `bias`. And Burn keeps a linear weight as `[in, out]`, PyTorch as
//! `[out, in]`.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, TensorData},
};

/// A parameter of a model.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Hugging Face's name, such as `encoder.layer.0.output.dense.weight`; those of projections begin with `1_Dense.`.
    pub name: String,
    /// By which gradients and optimizer state are found.
    pub id: ParamId,
    /// Shape as PyTorch has it.
    pub shape: Vec<usize>,
    /// Whether Burn holds the transpose of PyTorch's tensor: the weights of linear layers.
    pub transposed: bool,
}

/// Where a traversal stands.
#[derive(Default)]
struct Trail {
    prefix: String,
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
        let spelled = self.path.iter().map(|part| match part.as_str() {
            "layer_norm" => "LayerNorm",
            "self_attention" => "self",
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        });
        self.prefix.clone() + &spelled.collect::<Vec<_>>().join(".")
    }

    fn transposed(&self, dimensions: usize) -> bool {
        dimensions == 2 && self.containers.iter().any(|container| container == "Struct:Linear")
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
            let mut shape = param.lazy_shape().to_vec();
            let transposed = self.0.transposed(D);
            if transposed {
                shape.reverse();
            }
            self.1.push(Parameter { name: self.0.name(), id: param.id, shape, transposed });
        }
    }
    let mut collect = Collect(Trail { prefix: prefix.to_owned(), ..Default::default() }, Vec::new());
    module.visit(&mut collect);
    collect.1
}

/// The values of all parameters as PyTorch has them, with their names.
pub(crate) fn values<M: Module>(module: &M, prefix: &str) -> crate::Result<Vec<(String, TensorData)>> {
    struct Read(Trail, Vec<(String, TensorData)>, Option<String>);
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let value = if self.0.transposed(D) { value.transpose() } else { value };
            match value.try_into_data() {
                Ok(data) => self.1.push((self.0.name(), data)),
                Err(error) => self.2 = Some(error.to_string()),
            }
        }
    }
    let mut read = Read(Trail { prefix: prefix.to_owned(), ..Default::default() }, Vec::new(), None);
    module.visit(&mut read);
    match read.2 {
        Some(error) => Err(crate::Error::Device(error)),
        None => Ok(read.1),
    }
}

/// The module with each parameter replaced by what `value` gives for it (as PyTorch has it); `None` leaves it as it is.
pub(crate) fn replace<M: Module>(module: M, prefix: &str, value: impl FnMut(&Parameter) -> Option<TensorData>) -> M {
    struct Replace<F>(Trail, F);
    impl<F: FnMut(&Parameter) -> Option<TensorData>> ModuleMapper for Replace<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let mut shape = param.lazy_shape().to_vec();
            let transposed = self.0.transposed(D);
            if transposed {
                shape.reverse();
            }
            let parameter = Parameter { name: self.0.name(), id: param.id, shape, transposed };
            let Some(data) = (self.1)(&parameter) else { return param };
            let device = param.lazy_device();
            param
                .map(|_| {
                    let tensor = Tensor::from_data(data, &device);
                    if transposed { transpose(tensor) } else { tensor }
                })
                .set_require_grad(true)
        }
    }
    module.map(&mut Replace(Trail { prefix: prefix.to_owned(), ..Default::default() }, value))
}

/// The transpose, laid out anew, so that products with it read memory in order.
fn transpose<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let [rows, columns] = [tensor.dims()[0], tensor.dims()[1]];
    let device = tensor.device();
    let flat: TensorData = tensor.into_data();
    let Ok(values) = flat.as_slice::<f32>() else { return Tensor::<D>::from_data(flat, &device).transpose() };
    let mut turned = vec![0f32; values.len()];
    for (row, line) in values.chunks_exact(columns).enumerate() {
        for (column, value) in line.iter().enumerate() {
            turned[column * rows + row] = *value;
        }
    }
    Tensor::from_data(TensorData::new(turned, [columns, rows]), &device)
}
