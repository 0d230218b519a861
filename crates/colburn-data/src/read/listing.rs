//! The files of a source with their formats, without their rows.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::read::input::Input;
use crate::source::find::find;
use crate::source::{Format, Source};

/// A file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path.
    pub path: PathBuf,
    /// Its format, by its content where that is certain.
    pub format: Format,
    /// True if there is a compression around the file.
    pub is_compressed: bool,
    /// Its size.
    pub bytes: u64,
}

impl Source {
    /// The files in the order in which they are read.
    ///
    /// ```
    /// use colburn_data::{Format, Source};
    ///
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("rows.jsonl"), "{\"text\": \"a\"}\n")?;
    /// let files = Source::new(folder.path()).files()?;
    /// assert_eq!((files[0].format, files[0].bytes), (Format::Json, 14));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When nothing matches or the name is ambiguous, and when a file cannot be opened or is no data.
    pub fn files(&self) -> Result<Vec<SourceFile>> {
        let described = |path: PathBuf| {
            let input = Input::open(&path, self.format)?;
            let size = input.file.metadata().map_err(|source| Error::Io { path: path.clone(), source })?;
            let is_compressed = input.compression.is_some();
            Ok(SourceFile { path, format: input.format, is_compressed, bytes: size.len() })
        };
        find(self)?.into_iter().map(|file| described(file.path)).collect()
    }
}
