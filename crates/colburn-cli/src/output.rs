//! What the binary writes: lines for people, which a closed pipe may swallow, and files too large to be held in memory once
//! more, which appear whole or not at all. Small ones go through `colburn::model::write_atomic`.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use colburn::train::LogLevel;
use tracing_subscriber::EnvFilter;

use crate::{Error, Result};

/// What is logged unless somebody says what.
const FILTER: &str = "warn,colburn=info";

/// From now on the library's messages go to stderr: those that `RUST_LOG` wants, or else those of the level.
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

/// A line on stdout. Whoever reads it may have stopped reading (`colburn … | head`), which is no error.
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

/// Writes a file beside its place, brings it to the disk, and renames it into its place. What writes the content is given a
/// path, so that it need not make bytes of it first.
pub fn stream(path: &Path, content: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    let written = || -> io::Result<()> {
        // Made with the permissions of any new file, not with a temporary file's private ones; and they are set once more,
        // because a library that writes may put a file of its own in the place.
        let place =
            tempfile::Builder::new().prefix(".colburn-").make_in(folder(path), |path| File::create_new(path))?;
        let permissions = place.as_file().metadata()?.permissions();
        content(place.path())?;
        let file = File::open(place.path())?;
        file.set_permissions(permissions)?;
        file.sync_all()?;
        place.persist(path).map_err(|error| error.error)?;
        #[cfg(unix)]
        File::open(folder(path))?.sync_all()?;
        Ok(())
    };
    written().map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io;

    use super::{prepare, stream};

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.safetensors");
        stream(&path, |place| fs::write(place, "first")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");

        let failed = stream(&path, |place| fs::write(place, "half").and(Err(io::Error::other("disk full"))));
        assert!(failed.unwrap_err().to_string().contains("out.safetensors cannot be written: disk full"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
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
