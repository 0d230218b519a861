//! Reading JSON files, and writing files atomically: a crash leaves the old file or the new one, never a part of one.
//!
//! Other crates of the workspace write their files with [`write_atomic`], too.

use std::{
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::{Error, Result, pointer};

/// The path of a file that a configuration names. It must lie in the model's own folder: `None` for a name that leads out of it.
pub(crate) fn inside(folder: &Path, name: &str) -> Option<PathBuf> {
    let parts = Path::new(name).components();
    let stays = parts.into_iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    // A backslash separates folders on Windows; neither character belongs in a name on any system.
    (stays && !name.contains(['\\', '\0'])).then(|| folder.join(name))
}

/// Parses a JSON file; an error names the file, line and column.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    pointer::refuse_bytes(path, &bytes)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Parses a JSON file; `None` if it does not exist.
pub(crate) fn read_json_if_present<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    if path.exists() { read_json(path).map(Some) } else { Ok(None) }
}

/// Writes a file atomically and durably.
///
/// The bytes go into a temporary file in the same folder, whose name begins with `.tmp-`; it is synced, renamed to `path`, and the folder is
/// synced. So a reader sees the old file or the new one, and after a return without error the new one survives a loss of power. After an
/// error or a crash a file that was at `path` is unchanged. The new file has the permissions of any new file.
///
/// ```
/// use colburn_model::write_atomic;
///
/// let folder = std::env::temp_dir();
/// let path = folder.join("colburn-example.json");
/// write_atomic(&path, b"{}")?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"{}");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), colburn_model::Error>(())
/// ```
///
/// # Errors
/// When the folder cannot be written; the error names `path`.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |file| file.write_all(bytes))
}

/// Writes a file as [`write_atomic`] does, with the contents that `write` puts into it.
pub(crate) fn write_atomic_with(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> io::Result<()> {
        // A temporary file is private by default; this one has the permissions of any new file.
        let mut file = tempfile::Builder::new().prefix(".tmp-").make_in(folder, |path| fs::File::create_new(path))?;
        write(file.as_file_mut())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_folder(folder)
    };
    write().map_err(Error::io(path))
}

/// Makes renames within a folder durable. File systems that cannot sync a folder, such as some network ones, are left to their own order.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match fs::File::open(folder)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        result => result,
    }
}

/// Writes a value as JSON with an indent of two, as Python's `json.dump(…, indent=2)` does.
pub(crate) fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push(b'\n');
    write_atomic(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        let folder = Path::new("/model");
        for name in ["", "1_Dense", "./a/b.safetensors", "..a", "a..b/c"] {
            assert_eq!(inside(folder, name), Some(folder.join(name)), "{name}");
        }
        for name in ["..", "../a", "a/../../b", "a/..", "/etc/passwd", "/", "..\\a", "a\0b"] {
            assert_eq!(inside(folder, name), None, "{name}");
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        let error = write_atomic_with(&path, |file| {
            file.write_all(b"half of")?;
            Err(io::Error::other("disk full"))
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("a.json: disk full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(write_atomic(&folder.path().join("absent/a"), b"").unwrap_err().to_string().contains("absent/a"));
    }
}
