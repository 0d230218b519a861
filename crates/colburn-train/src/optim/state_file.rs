//! The file of an optimizer's state: safetensors with the name of the optimizer, so that another optimizer, which would find no state of its own
//! in it and start anew without a word, refuses the file.

use std::path::Path;

use colburn_model::write_atomic;
use safetensors::{SafeTensors, tensor::TensorView};

use crate::{Error, Result};

/// The key of the metadata that holds the name of the optimizer and, after a space, the details. It is the only key, because several
/// would be written in no fixed order.
const OWNER: &str = "optimizer";

/// Writes tensors as the state of `owner`; `details` holds the values that are not tensors, as text.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write<N: AsRef<str> + Ord + std::fmt::Display>(
    path: &Path,
    owner: &str,
    details: &str,
    tensors: Vec<(N, TensorView<'_>)>,
) -> Result<()> {
    let metadata = [(OWNER.to_owned(), format!("{owner} {details}").trim_end().to_owned())];
    let bytes = safetensors::serialize(tensors, Some(metadata.into())).map_err(|error| wrong(path, error))?;
    Ok(write_atomic(path, &bytes)?)
}

/// The tensors and the details of a file that [`write`] wrote for the same owner.
///
/// # Errors
/// When the file is damaged or belongs to another optimizer.
pub(super) fn read<'a>(path: &Path, owner: &str, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, String)> {
    let broken = |error| wrong(path, format!("not a complete safetensors file ({error})"));
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let metadata = header.metadata().as_ref().and_then(|metadata| metadata.get(OWNER)).map(String::as_str);
    match metadata.map(|metadata| metadata.split_once(' ').unwrap_or((metadata, ""))) {
        Some((found, details)) if found == owner => Ok((file, details.to_owned())),
        found => {
            let found = found.map_or("something else", |(found, _)| found);
            Err(wrong(
                path,
                format!(
                    "this is the state of {found}, and the run's optimizer is {owner}; train with the optimizer that the run was started with"
                ),
            ))
        }
    }
}

/// An error that names the file.
pub(super) fn wrong(path: &Path, message: impl ToString) -> Error {
    Error::OptimizerState { path: path.to_owned(), message: message.to_string() }
}
