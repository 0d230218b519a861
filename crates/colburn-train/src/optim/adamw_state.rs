//! The state of [`AdamW`] as a safetensors file, under the names that PyTorch gives parameters and state: `exp_avg.NAME`,
//! `exp_avg_sq.NAME` and `step.NAME`, where NAME is that of the parameter in `model.safetensors`, and in its layout.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use colburn_model::{ColBert, Parameter};
use colburn_ops::Clip;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::adamw::Moments;
use super::optimizer::DeferredOptimizer;
use super::state_file::{read, write, wrong};
use crate::{AdamW, Error, Optimizer, Result};

/// The name of the optimizer in the file of its state.
const NAME: &str = "adamw";

const MEAN: &str = "exp_avg";
const SQUARES: &str = "exp_avg_sq";
const STEP: &str = "step";

impl Optimizer for AdamW {
    fn name(&self) -> &str {
        NAME
    }

    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert {
        Self::step(self, model, gradients, learning_rate)
    }

    fn step_clipped(&mut self, model: ColBert, gradients: GradientsParams, clip: f64, learning_rate: f64) -> ColBert {
        self.step_scaled(model, gradients, clip, learning_rate)
    }

    fn deferred(&mut self) -> Option<&mut dyn DeferredOptimizer> {
        Some(self)
    }

    fn save(&self, model: &ColBert, path: &Path) -> Result<()> {
        Self::save(self, model, path)
    }

    fn load(&mut self, model: &ColBert, path: &Path) -> Result<()> {
        Self::load(self, model, path)
    }
}

impl DeferredOptimizer for AdamW {
    fn step_deferred(
        &mut self,
        model: ColBert,
        gradients: GradientsParams,
        clip: &Clip,
        learning_rate: f64,
    ) -> ColBert {
        self.step_clipped_by(model, gradients, clip, learning_rate)
    }

    fn was_skipped(&mut self) {
        self.uncount();
    }
}

impl AdamW {
    /// Writes the state of all parameters of `module` that have one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save<M: Module>(&self, module: &M, path: &Path) -> Result<()> {
        let mut read = Read { optimizer: self, tensors: Vec::new(), failure: None };
        module.visit(&mut read);
        if let Some(failure) = read.failure {
            return Err(wrong(path, failure));
        }
        let views = read.tensors.iter().map(|(name, data)| {
            let dtype = if data.dtype() == DType::I64 { Dtype::I64 } else { Dtype::F32 };
            let shape = if dtype == Dtype::I64 { Vec::new() } else { data.shape().to_vec() };
            TensorView::new(dtype, shape, data.as_bytes()).map(|view| (name, view))
        });
        let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| wrong(path, error))?;
        write(path, NAME, "", views)
    }

    /// Loads the state in a file, for all parameters of `module` that have one there.
    ///
    /// # Errors
    /// When the file cannot be read or is no safetensors file, or a tensor is missing, of another type or of another shape.
    pub fn load<M: Module>(&mut self, module: &M, path: &Path) -> Result<()> {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let (file, _) = read(path, NAME, &bytes)?;
        let mut write =
            Write { optimizer: self, unused: file.names().into_iter().collect(), file: &file, failure: None };
        module.visit(&mut write);
        let unused =
            write.unused.into_iter().min().map(|name| format!("tensor `{name}` belongs to no parameter of the model"));
        match write.failure.or(unused) {
            Some(failure) => Err(wrong(path, failure)),
            None => Ok(()),
        }
    }
}

struct Read<'a> {
    optimizer: &'a AdamW,
    tensors: Vec<(String, TensorData)>,
    failure: Option<String>,
}

impl ModuleVisitor for Read<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(parameter) = self.optimizer.parameter(&param.id) else { return };
        let Some(moments) = self.optimizer.moments::<D>(&param.id) else { return };
        self.tensors.push((format!("{STEP}.{}", parameter.name), TensorData::from([moments.step as i64])));
        for (kind, tensor) in [(MEAN, moments.exp_avg), (SQUARES, moments.exp_avg_sq)] {
            match in_layout(tensor, parameter).try_into_data() {
                Ok(data) => self.tensors.push((format!("{kind}.{}", parameter.name), data)),
                Err(error) => self.failure = Some(error.to_string()),
            }
        }
    }
}

struct Write<'a> {
    optimizer: &'a mut AdamW,
    file: &'a SafeTensors<'a>,
    /// Tensors that no parameter has taken yet.
    unused: HashSet<&'a str>,
    failure: Option<String>,
}

impl ModuleVisitor for Write<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(parameter) = self.optimizer.parameter(&param.id).cloned() else { return };
        let Ok(step) = self.file.tensor(&format!("{STEP}.{}", parameter.name)) else { return };
        let device = param.lazy_device().inner();
        let moments = read_step(&step, &parameter).and_then(|step| {
            let exp_avg = self.tensor(MEAN, &parameter, &device)?;
            let exp_avg_sq = self.tensor(SQUARES, &parameter, &device)?;
            Ok(Moments::<D> { step, exp_avg, exp_avg_sq })
        });
        match moments {
            Ok(moments) => {
                for kind in [STEP, MEAN, SQUARES] {
                    self.unused.remove(format!("{kind}.{}", parameter.name).as_str());
                }
                self.optimizer.set_moments(param.id, moments);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }
}

impl Write<'_> {
    fn tensor<const D: usize>(
        &self,
        kind: &str,
        parameter: &Parameter,
        device: &Device,
    ) -> std::result::Result<Tensor<D>, String> {
        let name = format!("{kind}.{}", parameter.name);
        let view = self.file.tensor(&name).map_err(|_| format!("tensor `{name}` is missing"))?;
        if view.dtype() != Dtype::F32 || view.shape() != parameter.shape {
            let (dtype, found, expected) = (view.dtype(), view.shape(), &parameter.shape);
            return Err(format!("tensor `{name}` is {dtype:?} {found:?}; the model needs F32 {expected:?}"));
        }
        let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), DType::F32);
        Ok(in_layout(Tensor::from_data(data, device), parameter))
    }
}

fn read_step(view: &TensorView<'_>, parameter: &Parameter) -> std::result::Result<u64, String> {
    let bytes = <[u8; 8]>::try_from(view.data()).ok().filter(|_| view.dtype() == Dtype::I64);
    let step = bytes.and_then(|bytes| u64::try_from(i64::from_le_bytes(bytes)).ok());
    step.ok_or_else(|| format!("tensor `{STEP}.{}` is not a number of steps", parameter.name))
}

/// Transposes from Burn's layout to PyTorch's, or back, where they differ.
fn in_layout<const D: usize>(tensor: Tensor<D>, parameter: &Parameter) -> Tensor<D> {
    if parameter.transposed { tensor.transpose() } else { tensor }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use super::*;
    use crate::AdamWConfig;
    use burn::module::ParamId;
    use burn::optim::GradientsParams;

    #[derive(Module, Debug)]
    struct Toy {
        w: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        unused: Param<Tensor<1>>,
    }

    fn toy() -> (Toy, [Parameter; 3]) {
        let device = Device::flex();
        let toy = Toy {
            w: Param::from_data([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], &device),
            b: Param::from_data([0.0, 0.0, 0.0], &device),
            unused: Param::from_data([0.0], &device),
        };
        let parameter = |name: &str, id: ParamId, shape: &[usize], transposed| Parameter {
            name: name.to_owned(),
            id,
            shape: shape.to_vec(),
            transposed,
        };
        let parameters = [
            parameter("dense.weight", toy.w.id, &[3, 2], true),
            parameter("dense.bias", toy.b.id, &[3], false),
            parameter("unused", toy.unused.id, &[1], false),
        ];
        (toy, parameters)
    }

    fn step(optimizer: &mut AdamW, toy: Toy) -> Toy {
        let device = Device::flex();
        let mut gradients = GradientsParams::new();
        gradients.register(toy.w.id, Tensor::<2>::from_data([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], &device));
        gradients.register(toy.b.id, Tensor::<1>::from_data([1.0, -1.0, 0.5], &device));
        optimizer.step(toy, gradients, 0.01)
    }

    #[test]
    fn a_loaded_optimizer_continues_to_the_same_bits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.safetensors");
        let (toy, parameters) = toy();
        let mut optimizer = AdamW::new(AdamWConfig::default(), parameters.clone());
        let toy = step(&mut optimizer, toy);
        optimizer.save(&toy, &path).unwrap();

        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), 6);
        let mean = file.tensor("exp_avg.dense.weight").unwrap();
        assert_eq!(mean.shape(), [3, 2]);
        // PyTorch's second value is the first of Burn's second row.
        let second = f32::from_le_bytes(mean.data()[4..8].try_into().unwrap());
        assert!((second - 0.04).abs() < 1e-7, "{second}");

        let mut loaded = AdamW::new(AdamWConfig::default(), parameters);
        loaded.load(&toy, &path).unwrap();
        let (on, again) = (step(&mut optimizer, toy.clone()), step(&mut loaded, toy));
        assert_eq!(on.w.val().into_data(), again.w.val().into_data());
        assert_eq!(on.b.val().into_data(), again.b.val().into_data());
    }

    #[test]
    fn a_state_of_another_model_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.safetensors");
        let (toy, mut parameters) = toy();
        let mut optimizer = AdamW::new(AdamWConfig::default(), parameters.clone());
        let toy = step(&mut optimizer, toy);
        optimizer.save(&toy, &path).unwrap();
        parameters[0].shape = vec![5, 2];
        let message = AdamW::new(AdamWConfig::default(), parameters.clone()).load(&toy, &path).unwrap_err().to_string();
        assert!(
            message.ends_with("tensor `exp_avg.dense.weight` is F32 [3, 2]; the model needs F32 [5, 2]"),
            "{message}"
        );
        parameters[0].name = "dense.other".to_owned();
        let message = AdamW::new(AdamWConfig::default(), parameters.clone()).load(&toy, &path).unwrap_err().to_string();
        assert!(message.ends_with("tensor `exp_avg.dense.weight` belongs to no parameter of the model"), "{message}");
        let message = read(&path, "burn", &fs::read(&path).unwrap()).unwrap_err().to_string();
        assert!(message.contains("this is the state of adamw, and the run's optimizer is burn; "), "{message}");

        fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
        assert!(optimizer.load(&toy, &path).unwrap_err().to_string().contains("not a complete safetensors file"));
    }
}
