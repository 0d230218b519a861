//! `manifest.json`: the size and the checksum of each file of a checkpoint, so that one that was damaged later is found before a run goes on
//! from it and not by its results.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, files};

/// The name of the file.
pub(crate) const NAME: &str = "manifest.json";

/// What belongs to a checkpoint.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// When it was written, in milliseconds since 1970: a folder that was copied has lost its own time.
    pub written: u64,
    files: BTreeMap<String, Fingerprint>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Fingerprint {
    size: u64,
    crc32: u32,
}

/// Writes the manifest of all files below `dir`.
///
/// # Errors
/// When a file cannot be read, or the manifest not be written.
pub(crate) fn write(dir: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for path in below(dir)? {
        let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        files.insert(name, fingerprint(&path)?);
    }
    let written = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    files::write_json(&dir.join(NAME), &Manifest { written, files })
}

/// Reads the manifest of a checkpoint.
///
/// # Errors
/// [`Error::Checkpoint`] when there is none.
pub(crate) fn read(dir: &Path) -> Result<Manifest> {
    let damaged = |message: String| Error::Checkpoint { path: dir.to_owned(), message };
    if !dir.is_dir() {
        return Err(damaged("there is no such folder".to_owned()));
    }
    let path = dir.join(NAME);
    if !path.exists() {
        return Err(damaged(format!("it has no {NAME}; a complete checkpoint of colburn is expected")));
    }
    files::read_json(&path).map_err(|error| damaged(error.to_string()))
}

/// Compares each file of a checkpoint with its manifest.
///
/// # Errors
/// [`Error::Checkpoint`], naming what is missing, cut or changed.
pub(crate) fn verify(dir: &Path) -> Result<()> {
    let damaged = |message: String| Error::Checkpoint { path: dir.to_owned(), message };
    let manifest = read(dir)?;
    for (name, expected) in &manifest.files {
        let found = fingerprint(&dir.join(name)).map_err(|error| damaged(error.to_string()))?;
        if found.size != expected.size {
            return Err(damaged(format!("{name} has {} bytes of {}", found.size, expected.size)));
        }
        if found.crc32 != expected.crc32 {
            return Err(damaged(format!("{name} was changed after it was written (its checksum is another)")));
        }
    }
    Ok(())
}

fn fingerprint(path: &Path) -> Result<Fingerprint> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io(path))?);
    let (mut buffer, mut size, mut hasher) = (vec![0; 1 << 20], 0, crc32fast::Hasher::new());
    loop {
        match reader.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(Fingerprint { size, crc32: hasher.finalize() }),
            count => {
                size += count as u64;
                hasher.update(&buffer[..count]);
            }
        }
    }
}

/// All files below a folder.
fn below(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.is_dir() { found.extend(below(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("1_Dense")).unwrap();
        let whole = || {
            fs::write(path("model.safetensors"), b"weights").unwrap();
            fs::write(path("1_Dense/config.json"), b"{}").unwrap();
        };
        whole();
        assert!(verify(dir.path()).unwrap_err().to_string().contains("it has no manifest.json"));
        write(dir.path()).unwrap();
        verify(dir.path()).unwrap();
        let manifest = read(dir.path()).unwrap();
        assert!(manifest.written > 1_700_000_000_000 && manifest.files.len() == 2);

        let damaged = |damage: &dyn Fn()| {
            whole();
            damage();
            verify(dir.path()).unwrap_err().to_string()
        };
        assert!(damaged(&|| fs::write(path("model.safetensors"), b"weigh").unwrap()).contains("5 bytes of 7"));
        assert!(damaged(&|| fs::write(path("model.safetensors"), b"weighty").unwrap()).contains("checksum"));
        assert!(damaged(&|| fs::remove_file(path("1_Dense/config.json")).unwrap()).contains("1_Dense/config.json"));
        assert!(damaged(&|| fs::write(path(NAME), b"{").unwrap()).contains("manifest.json"));
        assert!(verify(&path("nowhere")).unwrap_err().to_string().contains("no such folder"));
    }
}
