//! Weights in safetensors files: read as f32 whatever their type, matched by name and shape, written in PyTorch's layout.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use burn::{module::Module, tensor::TensorData};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{Error, Result, files, names};

/// The tensors of one file, as f32.
#[derive(Debug)]
pub(crate) struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, TensorData>,
    /// Tensors whose type is no float, with that type: buffers such as `embeddings.position_ids`, or quantised weights.
    others: BTreeMap<String, Dtype>,
}

impl Weights {
    /// Reads all tensors of a file.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let file = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::weights(path, format!("not a complete safetensors file ({error})")))?;
        let (mut tensors, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            let Some(values) = to_f32(view.dtype(), view.data()) else {
                others.insert(name, view.dtype());
                continue;
            };
            tensors.insert(modern(name), TensorData::new(values, view.shape().to_vec()));
        }
        Ok(Self { path: path.to_owned(), tensors, others })
    }

    /// Names without this prefix, where they have it: checkpoints of `BertForMaskedLM` and the like put the encoder under `bert.`.
    pub fn strip_prefix(mut self, prefix: &str) -> Self {
        let strip = |name: String| name.strip_prefix(prefix).map_or(name.clone(), str::to_owned);
        self.tensors = self.tensors.into_iter().map(|(name, data)| (strip(name), data)).collect();
        self
    }

    /// Takes the tensors that `module` has out of the file into it.
    ///
    /// # Errors
    /// When some are missing, or of another shape.
    pub fn load_into<M: Module>(&mut self, module: M) -> Result<M> {
        let (mut missing, mut wrong) = (Vec::new(), None);
        let module = names::replace(module, |parameter| {
            let Some(data) = self.tensors.remove(&parameter.name) else {
                missing.push(parameter.name.clone());
                return None;
            };
            let found = data.shape().to_vec();
            if found != parameter.shape {
                wrong.get_or_insert((parameter.name.clone(), parameter.shape.clone(), found));
                return None;
            }
            Some(data)
        });
        if let Some((tensor, expected, found)) = wrong {
            return Err(Error::Shape { path: self.path.clone(), tensor, expected, found });
        }
        if let Some((name, dtype)) = missing.iter().find_map(|name| Some((name, self.others.get(name)?))) {
            return Err(Error::weights(
                &self.path,
                format!("tensor `{name}` is {dtype:?}; f32, f64, f16 or bf16 is expected"),
            ));
        }
        match missing.first().cloned() {
            Some(first) => Err(Error::MissingTensors { path: self.path.clone(), count: missing.len(), first }),
            None => Ok(module),
        }
    }

    /// What nobody took: what belongs to `keep` (by prefix), after a warning that names the rest, but for what is in `known`.
    pub fn surplus(self, keep: &[&str], known: &[&str]) -> Vec<(String, TensorData)> {
        let is_in = |name: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let (kept, strange): (Vec<_>, Vec<_>) = self.tensors.into_iter().partition(|(name, _)| is_in(name, keep));
        let strange: Vec<_> = strange.into_iter().map(|(name, _)| name).filter(|name| !is_in(name, known)).collect();
        if !strange.is_empty() {
            tracing::warn!(
                "{}: {} tensor(s) that this model does not have are left out: {}",
                self.path.display(),
                strange.len(),
                strange.join(", ")
            );
        }
        kept
    }
}

/// Norms were called `gamma` and `beta` in the checkpoints of old, and transformers 5 writes them so again.
fn modern(name: String) -> String {
    match (name.strip_suffix("LayerNorm.gamma"), name.strip_suffix("LayerNorm.beta")) {
        (Some(path), _) => format!("{path}LayerNorm.weight"),
        (_, Some(path)) => format!("{path}LayerNorm.bias"),
        _ => name,
    }
}

/// Little-endian bytes as f32; `None` for a type that is no float.
fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
        Some(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect())
    }
    match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
        Dtype::F16 => each(bytes, |chunk| f16::from_le_bytes(chunk).to_f32()),
        Dtype::BF16 => each(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32()),
        _ => None,
    }
}

/// Writes tensors as `model.safetensors` with the metadata that transformers asks for.
pub(crate) fn write(path: &Path, tensors: &[(String, TensorData)]) -> Result<()> {
    let views = tensors.iter().map(|(name, data)| {
        let view = TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes());
        view.map(|view| (name, view)).map_err(|error| Error::weights(path, format!("tensor `{name}`: {error}")))
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, Some(metadata))
        .map_err(|error| Error::weights(path, error))?;
    files::write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_file(path: &Path, tensors: &[(&str, Dtype, Vec<u8>)]) {
        let views = tensors.iter().map(|(name, dtype, bytes)| {
            let count = bytes.len() * 8 / dtype.bitsize();
            (*name, TensorView::new(*dtype, vec![count], bytes).unwrap())
        });
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    #[test]
    fn every_float_is_read_as_f32() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes = |each: fn(f32) -> Vec<u8>| [1.5f32, -0.25].into_iter().flat_map(each).collect::<Vec<u8>>();
        write_file(
            &path,
            &[
                ("a", Dtype::F16, bytes(|value| f16::from_f32(value).to_le_bytes().to_vec())),
                ("b", Dtype::BF16, bytes(|value| bf16::from_f32(value).to_le_bytes().to_vec())),
                ("c", Dtype::F32, bytes(|value| value.to_le_bytes().to_vec())),
                ("d", Dtype::F64, bytes(|value| f64::from(value).to_le_bytes().to_vec())),
                ("e.LayerNorm.gamma", Dtype::F32, bytes(|value| value.to_le_bytes().to_vec())),
            ],
        );
        let weights = Weights::read(&path).unwrap();
        assert_eq!(weights.tensors.keys().collect::<Vec<_>>(), ["a", "b", "c", "d", "e.LayerNorm.weight"]);
        for (name, data) in &weights.tensors {
            assert_eq!(data.as_slice::<f32>().unwrap(), [1.5, -0.25], "{name}");
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_quantised_weight_is_named_with_its_type() {
        use crate::dense::DenseConfig;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_file(&path, &[("linear.weight", Dtype::I8, vec![0; 4])]);
        let module = DenseConfig::new(2, 2).init(&burn::tensor::Device::flex());
        let error = Weights::read(&path).unwrap().load_into(module).unwrap_err().to_string();
        assert!(error.contains("`linear.weight` is I8"), "{error}");
    }

    #[test]
    fn a_cut_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_file(&path, &[("a", Dtype::F32, vec![0; 400])]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Weights::read(&path).unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("not a complete safetensors file"), "{error}");
    }
}
