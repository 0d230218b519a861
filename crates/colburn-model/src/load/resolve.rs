//! The folder of a model by its path or its name. A name, `org/name[@revision]`, is looked up on the Hugging Face hub.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The folder of a model.
pub(super) fn directory(name_or_path: &Path) -> Result<PathBuf> {
    if name_or_path.is_dir() {
        return Ok(name_or_path.to_owned());
    }
    match on_the_hub(name_or_path) {
        Some(folder) => folder,
        None => Err(Error::NoDirectory { path: name_or_path.to_owned() }),
    }
}

/// The folder in the hub's cache; `None` if the name cannot be one of the hub.
#[cfg(feature = "hub")]
fn on_the_hub(name: &Path) -> Option<Result<PathBuf>> {
    let id = name.to_str()?.parse().ok()?;
    Some(colburn_hub::Hub::from_env().model(&id).map_err(|source| Error::Hub { name: name.to_owned(), source }))
}

#[cfg(not(feature = "hub"))]
fn on_the_hub(_: &Path) -> Option<Result<PathBuf>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stays_and_an_impossible_name_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(directory(folder.path()).unwrap(), folder.path());
        for path in ["/absent/model", "./absent", "a/b/c", "../a"] {
            let error = directory(Path::new(path)).unwrap_err();
            assert!(matches!(&error, Error::NoDirectory { path: named } if named == Path::new(path)), "{error}");
        }
    }
}
