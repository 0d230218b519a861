//! Writing tensors as `model.safetensors`. They are written one after the other, without a second copy of all of them in memory.

use std::{
    collections::HashMap,
    io::{BufWriter, Write},
    path::Path,
};

use burn::tensor::TensorData;
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use crate::{Error, Result, files};

/// Writes f32 tensors by name with the metadata that transformers requires. The bytes are those of `safetensors::serialize`.
pub(crate) fn write(path: &Path, tensors: &[(String, TensorData)]) -> Result<()> {
    let mut tensors: Vec<_> = tensors.iter().map(|(name, data)| (name, data)).collect();
    tensors.sort_by_key(|(name, _)| *name);
    let mut end = 0;
    let infos = tensors.iter().map(|(name, data)| {
        let begin = end;
        end += data.as_bytes().len();
        ((*name).clone(), TensorInfo { dtype: Dtype::F32, shape: data.shape().to_vec(), data_offsets: (begin, end) })
    });
    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let metadata = Metadata::new(Some(about), infos.collect()).map_err(|error| Error::weights(path, error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| Error::weights(path, error))?;
    header.resize(header.len().next_multiple_of(8), b' ');
    files::write_atomic_with(path, |file| {
        let mut file = BufWriter::new(file);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        tensors.iter().try_for_each(|(_, data)| file.write_all(data.as_bytes()))?;
        file.flush()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    #[test]
    fn the_bytes_are_those_of_the_safetensors_library() {
        let tensors: Vec<(String, TensorData)> = [("b.weight", vec![2, 3]), ("a", vec![1]), ("c.bias", vec![0])]
            .into_iter()
            .map(|(name, shape)| {
                let count: usize = shape.iter().product();
                let values: Vec<f32> = (0..count).map(|value| value as f32 - 0.5).collect();
                (name.to_owned(), TensorData::new(values, shape))
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write(&path, &tensors).unwrap();
        let views = tensors
            .iter()
            .map(|(name, data)| (name, TensorView::new(Dtype::F32, data.shape().to_vec(), data.as_bytes()).unwrap()));
        let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        assert_eq!(std::fs::read(&path).unwrap(), safetensors::serialize(views, Some(about)).unwrap());
    }
}
