//! The output of the binary: lines for people, which a closed pipe may swallow, and files too large to be held in memory once
//! more, which appear whole or not at all ([`Pending`]). Small ones go through `colburn::model::write_atomic`.

use std::fs::{self, DirEntry, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use colburn::train::LogLevel;
use tempfile::NamedTempFile;
use tracing_subscriber::EnvFilter;

use crate::{Error, Result};

/// The filter of messages unless another is given.
const FILTER: &str = "warn,colburn=info";

/// Sends the library's messages to stderr: those that `RUST_LOG` selects, else those of the level.
pub fn log(level: LogLevel) {
    let of_level = || EnvFilter::new(level.tracing_filter().unwrap_or(FILTER));
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| of_level()))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        .init();
}

/// A line on stdout. The reader may have stopped reading (`colburn … | head`), which is not an error.
pub fn say(line: &str) {
    let _closed_pipe = writeln!(io::stdout().lock(), "{line}");
}

/// An error on stderr, on one line whatever it quotes.
pub fn complain(message: &str) {
    let line = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let _closed_pipe = writeln!(io::stderr().lock(), "error: {line}");
}

/// Fails early when a file could not be written later, after the work: its folder is made here if need be.
pub fn prepare(path: &Path) -> Result<()> {
    let folder = folder(path);
    fs::create_dir_all(&folder).map_err(|source| Error::Write { path: path.to_owned(), source })?;
    if path.is_dir() {
        let source = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(Error::Write { path: path.to_owned(), source });
    }
    tempfile::Builder::new()
        .tempfile_in(&folder)
        .map(drop)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// The prefixes of the names of unfinished files: those of [`Pending`], and those of `write_atomic` and [`prepare`].
const UNFINISHED: [&str; 2] = [".colburn-", ".tmp"];

/// A file that is written beside its place, brought to the disk, and renamed into its place. Without the last, nothing of it remains.
pub struct Pending {
    path: PathBuf,
    place: NamedTempFile,
}

impl Pending {
    pub fn new(path: &Path) -> Result<Self> {
        // Made with the permissions of any new file, not with a temporary file's private ones.
        let place = tempfile::Builder::new().prefix(UNFINISHED[0]).make_in(folder(path), |path| File::create_new(path));
        let place = place.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), place })
    }

    /// The file, for writing.
    pub fn file(&self) -> &File {
        self.place.as_file()
    }

    /// The file, for writing.
    pub fn file_mut(&mut self) -> &mut File {
        self.place.as_file_mut()
    }

    /// Its folder, before and after it is renamed.
    pub fn folder(&self) -> PathBuf {
        folder(&self.path)
    }

    pub fn commit(self) -> Result<()> {
        let Self { path, place } = self;
        let commit = || -> io::Result<()> {
            place.as_file().sync_all()?;
            place.persist(&path).map_err(|error| error.error)?;
            #[cfg(unix)]
            File::open(folder(&path))?.sync_all()?;
            Ok(())
        };
        commit().map_err(|source| Error::Write { path: path.clone(), source })
    }

    /// Deletes what programs that were killed have left in a folder.
    pub fn remove_leftovers(directory: &Path) -> Result<()> {
        let unreadable = |source| Error::Read { path: directory.to_owned(), source };
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if is_unfinished(&entry) {
                fs::remove_file(entry.path()).map_err(|source| Error::Write { path: entry.path(), source })?;
            }
        }
        Ok(())
    }
}

/// True if a file is left over from a program that was killed before it could rename or delete it.
pub fn is_unfinished(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy().into_owned();
    UNFINISHED.iter().any(|prefix| name.starts_with(prefix))
}

/// The folder that a file lies in.
pub fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::{Pending, prepare};

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.safetensors");
        let mut pending = Pending::new(&path).unwrap();
        pending.file_mut().write_all(b"first").unwrap();
        assert!(!path.exists());
        pending.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");

        let mut pending = Pending::new(&path).unwrap();
        pending.file_mut().write_all(b"half").unwrap();
        drop(pending);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = Pending::new(&folder.path().join("none/out")).err().unwrap();
        assert!(error.to_string().contains("none/out cannot be written: "), "{error}");
    }

    #[test]
    fn leftovers_go_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".colburn-x1", ".tmp-3", "embeddings-00000.safetensors"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        Pending::remove_leftovers(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_found_early() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(prepare(&folder.path().join("file/out.safetensors")).is_err());
        assert!(prepare(folder.path()).is_err());
        prepare(&folder.path().join("new/out.safetensors")).unwrap();
    }
}
