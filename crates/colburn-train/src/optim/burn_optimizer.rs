//! Burn's own optimizers as [`Optimizer`]s, with their groups and their clipping.
//!
//! Burn keeps their state under the ids of parameters, which are random in each process. Here it is a safetensors file whose tensors are
//! named `NAME.FIELD`, where NAME is that of the parameter in `model.safetensors` and FIELD is Burn's, in Burn's layout; scalars are in the
//! metadata. The state is read and written through burnpack, Burn's own container, because the record of an optimizer has no other public form.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer, OptimizerRecord};
use burn::tensor::{Bytes, DType, Device};
use burn_pack::{Reader, Scalar, Writer};
use colburn_model::{ColBert, Parameter};
use safetensors::{Dtype, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::state_file::{read, write, wrong};
use crate::{Error, Optimizer, Result};

const NAME: &str = "burn";

/// The part of the state of one parameter that is not a tensor.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Entry {
    /// The path of the parameter in the module, which decides its group.
    path: Option<String>,
    scalars: BTreeMap<String, Scalar>,
}

impl Optimizer for ModuleOptimizer {
    fn name(&self) -> &str {
        NAME
    }

    fn step(&mut self, model: ColBert, gradients: GradientsParams, learning_rate: f64) -> ColBert {
        Self::step(self, learning_rate, model, gradients)
    }

    fn save(&self, model: &ColBert, path: &Path) -> Result<()> {
        save(self, &model.parameters(), path)
    }

    /// # Errors
    /// Those of [`Optimizer::load`]; and when the model does not lie on Burn's default device, on which Burn loads a state.
    fn load(&mut self, model: &ColBert, path: &Path) -> Result<()> {
        let default = Device::default();
        if let Some(device) = model.devices().into_iter().map(Device::inner).find(|device| *device != default) {
            let message = format!(
                "Burn loads the state of its optimizers on its default device, {default:?}, and the model lies on {device:?}; set \
                 BURN_DEVICE to that"
            );
            return Err(wrong(path, message));
        }
        *self = load(self.clone(), &model.parameters(), path)?;
        Ok(())
    }
}

fn save(optimizer: &ModuleOptimizer, parameters: &[Parameter], path: &Path) -> Result<()> {
    let names: HashMap<String, &str> =
        parameters.iter().map(|parameter| (parameter.id.val().to_string(), parameter.name.as_str())).collect();
    let record = unpack(optimizer, path)?;
    let mut entries: BTreeMap<&str, Entry> = BTreeMap::new();
    for (key, scalar) in record.scalars() {
        let (name, field) = renamed(key, &names, path)?;
        entries.entry(name).or_default().scalars.insert(field.to_owned(), *scalar);
    }
    for (id, path_of_id) in record.metadata() {
        if let Some(name) = names.get(id) {
            entries.entry(name).or_default().path = Some(path_of_id.clone());
        }
    }
    let mut tensors = Vec::new();
    for tensor in record.into_tensors().map_err(|error| wrong(path, error))? {
        let (key, dtype, shape, _, bytes) = tensor.into_parts().map_err(|error| wrong(path, error))?;
        let (name, field) = renamed(&key, &names, path)?;
        let dtype = stored(dtype).ok_or_else(|| wrong(path, format!("a state of type {dtype:?} cannot be written")))?;
        tensors.push((format!("{name}.{field}"), dtype, shape.to_vec(), bytes));
    }
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        TensorView::new(*dtype, shape.clone(), bytes).map(|view| (name, view)).map_err(|error| wrong(path, error))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let entries = serde_json::to_string(&entries).map_err(|error| wrong(path, error))?;
    write(path, NAME, &entries, views)
}

fn load(optimizer: ModuleOptimizer, parameters: &[Parameter], path: &Path) -> Result<ModuleOptimizer> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let (file, entries) = read(path, NAME, &bytes)?;
    let entries: BTreeMap<String, Entry> = serde_json::from_str(&entries).map_err(|error| wrong(path, error))?;
    let ids: HashMap<&str, u64> =
        parameters.iter().map(|parameter| (parameter.name.as_str(), parameter.id.val())).collect();
    let id_of = |name: &str| {
        let id = ids.get(name).copied();
        id.ok_or_else(|| wrong(path, format!("the state of `{name}` belongs to no parameter of the model")))
    };

    let mut tensors = Vec::new();
    for (key, view) in file.iter() {
        // No name of a parameter begins with that of another and a dot: they are leaves of a tree.
        let name =
            entries.keys().find(|name| key.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('.')));
        let name = name.ok_or_else(|| wrong(path, format!("tensor `{key}` belongs to no parameter")))?;
        let id = id_of(name)?;
        let dtype = loaded(view.dtype()).ok_or_else(|| {
            wrong(path, format!("tensor `{key}` is {:?}, which is not a type of a state", view.dtype()))
        })?;
        let bytes = Bytes::from_bytes_vec(view.data().to_vec());
        tensors.push(burn_pack::Tensor::new(
            format!("{id}{}", &key[name.len()..]),
            dtype,
            view.shape().to_vec(),
            Some(id),
            bytes,
        ));
    }
    let mut writer = Writer::new(tensors);
    for (name, entry) in entries {
        let id = id_of(&name)?;
        for (field, scalar) in entry.scalars {
            writer = writer.with_scalar(&format!("{id}.{field}"), scalar);
        }
        if let Some(path) = entry.path {
            writer = writer.with_metadata(&id.to_string(), &path);
        }
    }
    let packed = writer.into_bytes().map_err(|error| wrong(path, error))?;
    let record = OptimizerRecord::from_bytes(packed.clone()).map_err(|error| wrong(path, error))?;
    let optimizer = optimizer.load_record(record);

    // Burn ignores, without a word, what the optimizer does not know.
    let (given, taken) = (Reader::from_bytes(packed), unpack(&optimizer, path)?);
    let given = given.map_err(|error| wrong(path, error))?;
    let sorted = |reader: &Reader| {
        let mut names: Vec<String> = reader.tensor_names().into_iter().map(str::to_owned).collect();
        names.sort_unstable();
        names
    };
    if sorted(&given) != sorted(&taken) || given.scalars() != taken.scalars() {
        return Err(wrong(
            path,
            "this is the state of another of Burn's optimizers; train with the optimizer that the run was started with",
        ));
    }
    Ok(optimizer)
}

/// The state of an optimizer, as Burn writes it: tensors and scalars named `ID.FIELD`, and as metadata the path of each id.
fn unpack(optimizer: &ModuleOptimizer, path: &Path) -> Result<Reader> {
    let bytes = optimizer.into_bytes().map_err(|error| wrong(path, error))?;
    Reader::from_bytes(bytes).map_err(|error| wrong(path, error))
}

/// The name of the parameter and the field that a key of Burn's stands for.
fn renamed<'a, 'b>(key: &'b str, names: &HashMap<String, &'a str>, path: &Path) -> Result<(&'a str, &'b str)> {
    let renamed = key.split_once('.').and_then(|(id, field)| Some((*names.get(id)?, field)));
    renamed
        .ok_or_else(|| wrong(path, format!("the optimizer holds `{key}`, which belongs to no parameter of the model")))
}

fn stored(dtype: DType) -> Option<Dtype> {
    match dtype {
        DType::F64 => Some(Dtype::F64),
        DType::F32 => Some(Dtype::F32),
        DType::F16 => Some(Dtype::F16),
        DType::BF16 => Some(Dtype::BF16),
        DType::I64 => Some(Dtype::I64),
        DType::I32 => Some(Dtype::I32),
        _ => None,
    }
}

fn loaded(dtype: Dtype) -> Option<DType> {
    match dtype {
        Dtype::F64 => Some(DType::F64),
        Dtype::F32 => Some(DType::F32),
        Dtype::F16 => Some(DType::F16),
        Dtype::BF16 => Some(DType::BF16),
        Dtype::I64 => Some(DType::I64),
        Dtype::I32 => Some(DType::I32),
        _ => None,
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::module::{Param, ParamGroup};
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdamConfig, SgdConfig};
    use burn::tensor::{Tensor, TensorData};

    #[derive(Module, Debug)]
    struct Toy {
        w: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
        unused: Param<Tensor<1>>,
    }

    /// With ids of its own each time, as in another process.
    fn toy() -> Toy {
        with(TensorData::from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]), TensorData::from([0.0f32, 0.5, -0.5]))
    }

    fn with(w: TensorData, b: TensorData) -> Toy {
        let device = Device::flex();
        let unused = Param::from_data([0.0], &device);
        Toy { w: Param::from_data(w, &device), b: Param::from_data(b, &device), unused }.train()
    }

    fn parameters(toy: &Toy) -> [Parameter; 3] {
        let of = |name: &str, id| Parameter { name: name.to_owned(), id, shape: Vec::new(), transposed: false };
        [of("dense.weight", toy.w.id), of("dense.bias", toy.b.id), of("unused", toy.unused.id)]
    }

    fn step(optimizer: &mut ModuleOptimizer, toy: Toy) -> Toy {
        let device = Device::flex();
        let mut gradients = GradientsParams::new();
        gradients.register(toy.w.id, Tensor::<2>::from_data([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], &device));
        gradients.register(toy.b.id, Tensor::<1>::from_data([1.0, -1.0, 0.5], &device));
        optimizer.step(0.01, toy, gradients)
    }

    fn values(toy: &Toy) -> [TensorData; 2] {
        [toy.w.val().inner().into_data(), toy.b.val().inner().into_data()]
    }

    fn momentum() -> ModuleOptimizer {
        SgdConfig::new().with_momentum(Some(MomentumConfig::new())).init()
    }

    /// SGD for the weight, Adam for the bias.
    fn groups() -> ModuleOptimizer {
        momentum().with_group(ParamGroup::from_predicate("b"), AdamConfig::new().build(), None)
    }

    #[test]
    fn a_loaded_optimizer_continues_to_the_same_bits_under_other_ids() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.safetensors");
        for make in [SgdConfig::new().init(), momentum(), AdamConfig::new().init(), groups()] {
            let mut straight = make.clone();
            let model = step(&mut straight, toy());
            let model = step(&mut straight, model);
            let whole = values(&step(&mut straight, model));

            let mut first = make.clone();
            let model = step(&mut first, toy());
            let model = step(&mut first, model);
            save(&first, &parameters(&model), &path).unwrap();

            let [w, b] = values(&model);
            let other = with(w, b);
            assert_ne!(other.w.id, model.w.id);
            let mut second = load(make, &parameters(&other), &path).unwrap();
            assert_eq!(values(&step(&mut second, other)), whole);
        }
    }

    #[test]
    fn a_state_that_does_not_fit_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("optimizer.safetensors");
        let mut optimizer = momentum();
        let model = step(&mut optimizer, toy());
        save(&optimizer, &parameters(&model), &path).unwrap();

        let refused = |optimizer: ModuleOptimizer, parameters: &[Parameter]| {
            load(optimizer, parameters, &path).err().map(|error| error.to_string()).unwrap_or_default()
        };
        let adam = refused(AdamConfig::new().init(), &parameters(&model));
        assert!(
            adam.ends_with(
                "the state of another of Burn's optimizers; train with the optimizer that the run was started with"
            ),
            "{adam}"
        );
        let [weight, ..] = parameters(&model);
        let missing = refused(momentum(), &[weight]);
        assert!(missing.ends_with("the state of `dense.bias` belongs to no parameter of the model"), "{missing}");
        fs::write(&path, &fs::read(&path).unwrap()[..40]).unwrap();
        let broken = refused(momentum(), &parameters(&model));
        assert!(broken.contains("not a complete safetensors file"), "{broken}");
    }
}
