//! The files of weights: safetensors, `pytorch_model.bin`, and several of either with an index. Opening one reads the names, types and
//! shapes of its tensors; each tensor is read later by itself, so a file is never in memory as a whole.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    rc::Rc,
};

use half::{bf16, f16};
use pytorch_reader::{DType, PytorchReader};
use safetensors::{Dtype, tensor::Metadata};
use serde::Deserialize;

use crate::{Error, Result, error::few, files, pointer};

/// The longest header of a safetensors file in bytes, which is the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// The largest size of all tensors of a `pytorch_model.bin` relative to the file. A ratio of two is usual if a head shares the embeddings. A
/// tensor with a stride of 0 can have any size in a file of a few bytes.
const LARGEST_RATIO: u64 = 4;

/// The type of a tensor's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    /// Not a float, with the name of the type: buffers such as `embeddings.position_ids`, or quantised weights.
    Other(String),
}

impl Element {
    /// Little-endian bytes as f32; `None` if the type is not a float.
    fn to_f32(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        fn each<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
            Some(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect())
        }
        match self {
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
            Self::F16 => each(bytes, |chunk| f16::from_le_bytes(chunk).to_f32()),
            Self::BF16 => each(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32()),
            Self::Other(_) => None,
        }
    }
}

impl From<Dtype> for Element {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F64 => Self::F64,
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::BF16,
            other => Self::Other(format!("{other:?}")),
        }
    }
}

impl From<DType> for Element {
    fn from(dtype: DType) -> Self {
        match dtype {
            DType::F64 => Self::F64,
            DType::F32 => Self::F32,
            DType::F16 => Self::F16,
            DType::BF16 => Self::BF16,
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// A tensor in a file that has not been read yet.
pub(super) struct Stored {
    pub element: Element,
    pub shape: Vec<usize>,
    /// Reads its bytes, row by row, little-endian.
    bytes: Box<dyn Fn() -> io::Result<Vec<u8>>>,
}

impl Stored {
    /// Reads its elements as f32, row by row.
    pub fn read(&self) -> io::Result<Vec<f32>> {
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let values = self.element.to_f32(&(self.bytes)()?);
        let values = values.ok_or_else(|| invalid(format!("{:?} is not a float", self.element)))?;
        let expected: usize = self.shape.iter().product();
        if values.len() != expected {
            return Err(invalid(format!("{} elements, its shape has {expected}", values.len())));
        }
        Ok(values)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.element, self.shape)
    }
}

/// The tensors of a file, or of all files of an index, by name. The ending of the file's name decides its format.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, Stored>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => open_index(path),
        Some("safetensors") => open_safetensors(path),
        _ => open_pytorch(path),
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The tensors that an index (`model.safetensors.index.json`) names, from the files that it names.
fn open_index(index: &Path) -> Result<BTreeMap<String, Stored>> {
    let folder = index.parent().unwrap_or(Path::new(""));
    let Index { weight_map } = files::read_json(index)?;
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, shard) in weight_map {
        shards.entry(shard).or_default().push(name);
    }
    let (mut tensors, mut absent) = (BTreeMap::new(), Vec::new());
    for (shard, names) in shards {
        let Some(path) = files::inside(folder, &shard) else {
            let message = format!("weight_map names the file \"{shard}\", which leads out of the model's folder");
            return Err(Error::config(index, message));
        };
        if !path.is_file() {
            let message =
                format!("weight_map names \"{shard}\" for {} tensor(s), but there is no such file", names.len());
            return Err(Error::config(index, message));
        }
        let is_safetensors = path.extension().is_some_and(|extension| extension == "safetensors");
        let mut stored = if is_safetensors { open_safetensors(&path)? } else { open_pytorch(&path)? };
        for name in names {
            match stored.remove(&name) {
                Some(tensor) => _ = tensors.insert(name, tensor),
                None => absent.push(format!("`{name}` in {shard}")),
            }
        }
    }
    if absent.is_empty() {
        return Ok(tensors);
    }
    let message = format!("{} tensor(s) are not where weight_map says: {}", absent.len(), few(absent.into_iter()));
    Err(Error::config(index, message))
}

/// The tensors of a safetensors file.
fn open_safetensors(path: &Path) -> Result<BTreeMap<String, Stored>> {
    pointer::refuse(path)?;
    let incomplete = |reason: String| Error::weights(path, format!("not a complete safetensors file ({reason})"));
    let mut file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut prefix = [0; 8];
    if length < 8 {
        return Err(incomplete(format!("{length} bytes")));
    }
    file.read_exact(&mut prefix).map_err(Error::io(path))?;
    let header = u64::from_le_bytes(prefix);
    if header > LONGEST_HEADER || header > length - 8 {
        return Err(incomplete(format!("a header of {header} bytes, and {length} bytes in all")));
    }
    let mut json = vec![0; header as usize];
    file.read_exact(&mut json).map_err(Error::io(path))?;
    let metadata: Metadata =
        serde_json::from_slice(&json).map_err(|error| incomplete(format!("its header: {error}")))?;
    let start = 8 + header;
    if metadata.data_len() as u64 != length - start {
        return Err(incomplete(format!(
            "{} bytes of tensors, the header says {}",
            length - start,
            metadata.data_len()
        )));
    }

    let file = Rc::new(file);
    let stored = |(name, info): (String, &safetensors::tensor::TensorInfo)| {
        let (begin, end) = info.data_offsets;
        let file = Rc::clone(&file);
        let bytes = move || {
            let mut bytes = vec![0; end - begin];
            (&*file).seek(SeekFrom::Start(start + begin as u64))?;
            (&*file).read_exact(&mut bytes)?;
            Ok(bytes)
        };
        (name, Stored { element: info.dtype.into(), shape: info.shape.clone(), bytes: Box::new(bytes) })
    };
    Ok(metadata.tensors().into_iter().map(stored).collect())
}

/// The tensors of a state dict that `torch.save` wrote (`pytorch_model.bin`).
///
/// The file is a pickle, which is a program for Python. Burn's reader runs nothing: it knows the few calls that make a tensor, and keeps
/// all others as names.
fn open_pytorch(path: &Path) -> Result<BTreeMap<String, Stored>> {
    pointer::refuse(path)?;
    let length = fs::metadata(path).map_err(Error::io(path))?.len();
    let reader = PytorchReader::new(path).map_err(|error| {
        Error::weights(
            path,
            format!(
                "not a state dict of tensors as torch.save writes it ({error}); model.safetensors is the safer file"
            ),
        )
    })?;
    let tensors = reader.into_tensors();
    let claimed = tensors.values().fold(0u64, |sum, tensor| sum.saturating_add(tensor.byte_len() as u64));
    if claimed > length.saturating_mul(LARGEST_RATIO) {
        return Err(Error::weights(path, format!("its tensors claim {claimed} bytes, the file has {length}")));
    }
    let stored = |(name, tensor): (String, pytorch_reader::Tensor)| {
        let (_, dtype, shape, bytes) = tensor.into_parts();
        (name, Stored { element: dtype.into(), shape, bytes: Box::new(bytes) })
    };
    Ok(tensors.into_iter().map(stored).collect())
}
