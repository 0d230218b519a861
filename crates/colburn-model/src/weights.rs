//! The weights of a checkpoint: which tensors its files hold, which of them a module takes, and what is left over.
//!
//! Opening a checkpoint reads names, types and shapes. Whether it fits the configuration is known, and each misfit named, before memory is
//! taken for a single weight. Then one tensor after the other is read, so that no file is ever held as a whole.

mod pytorch_file;
mod safetensors_file;
mod shards;
mod stored;
mod write;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::TensorData};

use self::stored::{Element, Stored};
pub(crate) use self::write::write;
use crate::{
    Error, Result,
    error::{Misshaped, few},
    names,
};

/// What a folder's weights are called, in the order in which transformers looks for them.
const FILES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The last part of the names of buffers, which are computed and not learnt: surplus that needs no word.
const BUFFERS: [&str; 3] = ["position_ids", "token_type_ids", "inv_freq"];

/// The tensors of a checkpoint, as f32 when they are read.
#[derive(Debug)]
pub(crate) struct Weights {
    /// The file, or the index of several.
    path: PathBuf,
    tensors: BTreeMap<String, Stored>,
}

impl Weights {
    /// Those of a folder: safetensors, else what `torch.save` wrote; in one file or in several.
    ///
    /// # Errors
    /// When there are none, or their files are damaged or do not fit together.
    pub fn open(folder: &Path) -> Result<Self> {
        let Some(path) = FILES.iter().map(|file| folder.join(file)).find(|path| path.exists()) else {
            let expected = "the weights are expected there, or in model.safetensors.index.json and its files, or in pytorch_model.bin";
            return Err(Error::MissingFile { directory: folder.to_owned(), file: FILES[0], expected });
        };
        let sharded = path.extension().is_some_and(|extension| extension == "json");
        let tensors = if sharded { shards::open(&path)? } else { tensors_of(&path)? };
        let tensors = tensors.into_iter().map(|(name, tensor)| (modern(name), tensor)).collect();
        Ok(Self { path, tensors })
    }

    /// Where they come from, for errors.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names without this prefix, where they have it: checkpoints of `BertForMaskedLM` and the like put the encoder under `bert.`.
    pub fn strip_prefix(mut self, prefix: &str) -> Self {
        let strip = |name: String| name.strip_prefix(prefix).map_or(name.clone(), str::to_owned);
        self.tensors = self.tensors.into_iter().map(|(name, tensor)| (strip(name), tensor)).collect();
        self
    }

    /// The shape of a tensor, if there is such a one.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// Moves the tensors that `module` has from the checkpoint into it.
    ///
    /// A NaN in one weight makes every vector NaN. Therefore non-finite parameters are an error and not a warning, which would be missed
    /// in front of hours of training or encoding. Buffers and tensors that the module does not have may hold anything.
    ///
    /// # Errors
    /// When some are missing, have another shape, are not floats or not finite; when the file cannot be read.
    pub fn load_into<M: Module>(&mut self, module: M) -> Result<M> {
        self.check(&module)?;
        let (mut failed, mut non_finite) = (None, Vec::new());
        let module = names::replace(module, |parameter| {
            let tensor = self.tensors.remove(&parameter.name)?;
            match self.read(&parameter.name, &tensor) {
                Ok(values) => {
                    if !is_finite(&values) {
                        non_finite.push(parameter.name.clone());
                    }
                    Some(values)
                }
                Err(error) => {
                    failed.get_or_insert(error);
                    None
                }
            }
        });
        match failed {
            Some(error) => Err(error),
            None => expect_none(non_finite, &self.path).map(|()| module),
        }
    }

    /// Whether everything that a module needs is there.
    fn check<M: Module>(&self, module: &M) -> Result<()> {
        let (mut missing, mut misshaped) = (Vec::new(), Vec::new());
        for parameter in names::parameters(module, "") {
            match self.tensors.get(&parameter.name) {
                None => missing.push(parameter.name),
                Some(tensor) if tensor.shape != parameter.shape => misshaped.push(Misshaped {
                    tensor: parameter.name,
                    expected: parameter.shape,
                    found: tensor.shape.clone(),
                }),
                Some(Stored { element: Element::Other(element), .. }) => {
                    let message =
                        format!("tensor `{}` is {element}; f32, f64, f16 or bf16 is expected", parameter.name);
                    return Err(Error::weights(&self.path, message));
                }
                Some(_) => {}
            }
        }
        if missing.is_empty() && misshaped.is_empty() {
            return Ok(());
        }
        Err(Error::Tensors { path: self.path.clone(), missing, misshaped })
    }

    fn read(&self, name: &str, tensor: &Stored) -> Result<TensorData> {
        let values = tensor.read().map_err(|error| Error::weights(&self.path, format!("tensor `{name}`: {error}")))?;
        Ok(TensorData::new(values, tensor.shape.clone()))
    }

    /// What nobody took: what belongs to `keep` (by prefix), after a warning that names the rest, but for what is in `known`, and buffers.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn surplus(mut self, keep: &[&str], known: &[&str]) -> Result<Vec<(String, TensorData)>> {
        let is_in = |name: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let is_buffer = |name: &str| BUFFERS.contains(&name.rsplit('.').next().unwrap_or_default());
        let tensors = std::mem::take(&mut self.tensors);
        let floats = tensors.into_iter().filter(|(_, tensor)| !matches!(tensor.element, Element::Other(_)));
        let (kept, strange): (Vec<_>, Vec<_>) = floats.partition(|(name, _)| is_in(name, keep));
        let strange: Vec<_> =
            strange.into_iter().map(|(name, _)| name).filter(|name| !is_in(name, known) && !is_buffer(name)).collect();
        if !strange.is_empty() {
            tracing::warn!(
                "{}: {} tensor(s) that this model does not have are left out: {}",
                self.path.display(),
                strange.len(),
                few(strange.iter().cloned())
            );
        }
        kept.into_iter().map(|(name, tensor)| Ok((name.clone(), self.read(&name, &tensor)?))).collect()
    }
}

/// Checks the tensors of a model that is to be saved in the folder `path`.
///
/// # Errors
/// When some are not finite; the error names the first and their number.
pub(crate) fn check_finite<'a>(tensors: impl Iterator<Item = (String, &'a TensorData)>, path: &Path) -> Result<()> {
    expect_none(tensors.filter(|(_, values)| !is_finite(values)).map(|(name, _)| name).collect(), path)
}

/// The error for these non-finite tensors.
fn expect_none(non_finite: Vec<String>, path: &Path) -> Result<()> {
    let tensors = non_finite.len();
    match non_finite.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(Error::NonFiniteWeights { path: path.to_owned(), first, tensors }),
    }
}

/// True if every value is a finite number.
fn is_finite(values: &TensorData) -> bool {
    match values.as_slice::<f32>() {
        // In blocks without an early end, which are compiled to SIMD instructions.
        Ok(values) => {
            values.chunks(1024).all(|block| block.iter().fold(true, |finite, value| finite & value.is_finite()))
        }
        Err(_) => values.iter::<f32>().all(f32::is_finite),
    }
}

/// The tensors of one file, by the ending of its name.
fn tensors_of(path: &Path) -> Result<BTreeMap<String, Stored>> {
    if path.extension().is_some_and(|extension| extension == "safetensors") {
        safetensors_file::open(path)
    } else {
        pytorch_file::open(path)
    }
}

/// Norms were called `gamma` and `beta` in the checkpoints of old, and transformers 5 writes them so again.
fn modern(name: String) -> String {
    match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(path), _) => format!("{path}.weight"),
        (_, Some(path)) => format!("{path}.bias"),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
