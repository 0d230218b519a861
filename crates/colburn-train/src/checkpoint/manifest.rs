//! `manifest.json`: the version of a checkpoint's format, and the size and the checksum of each of its files, so that damage is found before a run
//! resumes from it and not by the results.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::files;
use crate::{Error, Result};

/// The name of the file.
pub(crate) const NAME: &str = "manifest.json";

/// The version of the format that is written, the newest that is read. Version 1 had no number; its loop state was called `Tally`.
pub(crate) const FORMAT_VERSION: u64 = 2;

/// The version of a checkpoint, and its files.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CheckpointManifest {
    #[serde(default = "first_version")]
    format_version: u64,
    /// The time of writing, in milliseconds since 1970: a copied folder has lost its own time.
    written: u64,
    files: BTreeMap<String, Checksum>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Checksum {
    size: u64,
    crc32: u32,
}

fn first_version() -> u64 {
    1
}

/// Writes the manifest of all files below `dir`.
///
/// # Errors
/// When a file cannot be read, or the manifest cannot be written.
pub(crate) fn write(dir: &Path) -> Result<()> {
    let mut files = BTreeMap::new();
    for path in below(dir)? {
        let name = path.strip_prefix(dir).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        files.insert(name, checksum(&path)?);
    }
    let written = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    files::write_json(&dir.join(NAME), &CheckpointManifest { format_version: FORMAT_VERSION, written, files })
}

/// The time at which a checkpoint was written, in milliseconds since 1970; none without a manifest. The version does not matter.
pub(crate) fn written(dir: &Path) -> Option<u64> {
    files::read_json::<Value>(&dir.join(NAME)).ok()?.get("written")?.as_u64()
}

/// Compares each file of a checkpoint with its manifest.
///
/// # Errors
/// [`Error::Checkpoint`], naming the file that is missing, cut or changed; [`Error::CheckpointVersion`] for a newer format.
pub(crate) fn verify(dir: &Path) -> Result<()> {
    let damaged = |message: String| Error::Checkpoint { path: dir.to_owned(), message };
    let manifest = read(dir)?;
    for (name, expected) in &manifest.files {
        let found = checksum(&dir.join(name)).map_err(|error| damaged(error.to_string()))?;
        if found.size != expected.size {
            return Err(damaged(format!("{name} has {} bytes of {}", found.size, expected.size)));
        }
        if found.crc32 != expected.crc32 {
            return Err(damaged(format!("{name} was changed after it was written (its checksum differs)")));
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<CheckpointManifest> {
    let damaged = |message: String| Error::Checkpoint { path: dir.to_owned(), message };
    if !dir.is_dir() {
        return Err(damaged("there is no such folder".to_owned()));
    }
    let path = dir.join(NAME);
    if !path.exists() {
        return Err(damaged(format!("it has no {NAME}; a complete checkpoint of colburn is expected")));
    }
    let manifest: Value = files::read_json(&path).map_err(|error| damaged(error.to_string()))?;
    // The version first: the rest of a newer manifest may have another form.
    let version = manifest.get("format_version").map_or(Some(1), Value::as_u64);
    match version {
        Some(version) if version > FORMAT_VERSION => {
            let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
            Err(Error::CheckpointVersion { name, version, newest: FORMAT_VERSION })
        }
        _ => serde_json::from_value(manifest).map_err(|error| damaged(format!("{NAME}: {error}"))),
    }
}

fn checksum(path: &Path) -> Result<Checksum> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io(path))?);
    let (mut buffer, mut size, mut hasher) = (vec![0; 1 << 20], 0, crc32fast::Hasher::new());
    loop {
        match reader.read(&mut buffer).map_err(Error::io(path))? {
            0 => return Ok(Checksum { size, crc32: hasher.finalize() }),
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
        assert_eq!((manifest.format_version, written(dir.path())), (FORMAT_VERSION, Some(manifest.written)));

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

    #[test]
    fn a_newer_format_is_refused_by_name_and_an_older_one_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoint = dir.path().join("checkpoint-5");
        fs::create_dir(&checkpoint).unwrap();
        let with = |manifest: &str| {
            fs::write(checkpoint.join(NAME), manifest).unwrap();
            verify(&checkpoint)
        };
        // another form of `files` does not hide the reason
        let message = with(r#"{"format_version": 3, "written": 7, "files": [1]}"#).unwrap_err().to_string();
        assert_eq!(
            message,
            "checkpoint-5 has format version 3; this colburn reads up to 2; update colburn to resume from it"
        );
        assert_eq!(written(&checkpoint), Some(7));
        with(r#"{"written": 7, "files": {}}"#).unwrap();
        assert_eq!(read(&checkpoint).unwrap().format_version, 1);
        let message = with(r#"{"format_version": "x", "written": 7, "files": {}}"#).unwrap_err().to_string();
        assert!(message.contains("manifest.json: invalid type"), "{message}");
    }
}
