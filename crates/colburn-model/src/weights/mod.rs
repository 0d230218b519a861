//! The weights of a checkpoint: its tensors, the ones that a module takes, and the surplus.
//!
//! Opening a checkpoint reads names, types and shapes. They are compared with the configuration, and every mismatch is reported, before
//! memory is allocated for a weight. Then one tensor after the other is read, so a file is never in memory as a whole.

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

/// The file names of weights, in the order in which transformers looks for them.
const FILES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The last parts of the names of buffers. These are computed, not learnt, and left out without a warning.
const BUFFERS: [&str; 3] = ["position_ids", "token_type_ids", "inv_freq"];

/// The tensors of a checkpoint, as f32 when they are read.
#[derive(Debug)]
pub(crate) struct Weights {
    /// The file, or the index of several.
    path: PathBuf,
    tensors: BTreeMap<String, Stored>,
}

impl Weights {
    /// Opens the weights of a folder: safetensors, or else files that `torch.save` wrote; in one file or in several.
    ///
    /// # Errors
    /// When there are none, or their files are damaged or do not fit together.
    pub fn open(folder: &Path) -> Result<Self> {
        let Some(path) = FILES.iter().map(|file| folder.join(file)).find(|path| path.exists()) else {
            let expected = "the weights are expected there, or in model.safetensors.index.json and its files, or in pytorch_model.bin";
            return Err(Error::MissingFile { directory: folder.to_owned(), file: FILES[0], expected });
        };
        let tensors = stored::open(&path)?.into_iter().map(|(name, tensor)| (modern(name), tensor)).collect();
        Ok(Self { path, tensors })
    }

    /// The file or index, for error messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The weights with names without this prefix. Checkpoints of `BertForMaskedLM` and similar models keep the encoder under `bert.`.
    pub fn strip_prefix(mut self, prefix: &str) -> Self {
        let strip = |name: String| name.strip_prefix(prefix).map_or(name.clone(), str::to_owned);
        self.tensors = self.tensors.into_iter().map(|(name, tensor)| (strip(name), tensor)).collect();
        self
    }

    /// The shape of a tensor; `None` if there is none of this name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|tensor| &tensor.shape[..])
    }

    /// Moves the tensors that `module` has from the checkpoint into it.
    ///
    /// NaN or infinite values are a warning and not an error: a broken model can be loaded to inspect it, and encoding, evaluation and training
    /// refuse values that are not finite. Buffers and tensors that the module does not have are not checked.
    ///
    /// # Errors
    /// When some are missing, have another shape or are not floats; when the file cannot be read.
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
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(first) = non_finite.first() {
            tracing::warn!(
                "{}: {} tensor(s) hold NaN or infinite weights, `{first}` is the first; is the file damaged, or did its training diverge?",
                self.path.display(),
                non_finite.len()
            );
        }
        Ok(module)
    }

    /// Checks that every parameter of a module has a tensor of its shape.
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

    /// The remaining tensors whose names begin with one of `keep`. The others are left out with a warning that names them, or without one if
    /// they are buffers or their names begin with one of `known`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn surplus(mut self, keep: &[&str], known: &[&str]) -> Result<Vec<(String, TensorData)>> {
        let is_in = |name: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let is_buffer = |name: &str| BUFFERS.contains(&name.rsplit('.').next().unwrap_or_default());
        let tensors = std::mem::take(&mut self.tensors);
        let floats = tensors.into_iter().filter(|(_, tensor)| !matches!(tensor.element, Element::Other(_)));
        let (kept, others): (Vec<_>, Vec<_>) = floats.partition(|(name, _)| is_in(name, keep));
        let unknown: Vec<_> =
            others.into_iter().map(|(name, _)| name).filter(|name| !is_in(name, known) && !is_buffer(name)).collect();
        if !unknown.is_empty() {
            tracing::warn!(
                "{}: {} tensor(s) that this model does not have are left out: {}",
                self.path.display(),
                unknown.len(),
                few(unknown.iter().cloned())
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
    let mut non_finite = tensors.filter(|(_, values)| !is_finite(values)).map(|(name, _)| name);
    match non_finite.next() {
        None => Ok(()),
        Some(first) => Err(Error::NonFiniteWeights { path: path.to_owned(), first, tensors: 1 + non_finite.count() }),
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

/// The present name of a tensor. In old checkpoints, and again in those of transformers 5, norms have `gamma` and `beta`.
fn modern(name: String) -> String {
    match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(path), _) => format!("{path}.weight"),
        (_, Some(path)) => format!("{path}.bias"),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
