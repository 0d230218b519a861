//! A state dict that `torch.save` wrote (`pytorch_model.bin`), read as data.
//!
//! Such a file is a pickle, which for Python is a program. Here it is none: Burn's reader knows the few calls that put a tensor together,
//! keeps anything else as a name, and runs nothing.

use std::{collections::BTreeMap, fs, path::Path};

use pytorch_reader::{DType, PytorchReader};

use super::stored::{Element, Stored};
use crate::{Error, Result};

/// How much larger the tensors together may be than their file. Twice is usual, where a head shares the embeddings; but a tensor with a
/// stride of 0 is as large as it says, from a file of a few bytes.
const LARGEST_RATIO: u64 = 4;

/// The tensors of a file by name, none of them read.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, Stored>> {
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
        (name, Stored { element: element(dtype), shape, bytes: Box::new(bytes) })
    };
    Ok(tensors.into_iter().map(stored).collect())
}

fn element(dtype: DType) -> Element {
    match dtype {
        DType::F64 => Element::F64,
        DType::F32 => Element::F32,
        DType::F16 => Element::F16,
        DType::BF16 => Element::BF16,
        other => Element::Other(format!("{other:?}")),
    }
}
