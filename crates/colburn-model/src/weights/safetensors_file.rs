//! A safetensors file, read tensor by tensor: its header says where each lies, and the file is never in memory as a whole.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    rc::Rc,
};

use safetensors::{Dtype, tensor::Metadata};

use super::stored::{Element, Stored};
use crate::{Error, Result};

/// The longest header, in bytes: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// The tensors of a file by name, none of them read.
pub(super) fn open(path: &Path) -> Result<BTreeMap<String, Stored>> {
    let incomplete = |what: String| Error::weights(path, format!("not a complete safetensors file ({what})"));
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
        (name, Stored { element: element(info.dtype), shape: info.shape.clone(), bytes: Box::new(bytes) })
    };
    Ok(metadata.tensors().into_iter().map(stored).collect())
}

fn element(dtype: Dtype) -> Element {
    match dtype {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::BF16,
        other => Element::Other(format!("{other:?}")),
    }
}
