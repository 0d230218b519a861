//! Compiled kernels in the user's cache folder, so that a second run compiles nothing.
//!
//! The folder is `kernels` in `$COLBURN_CACHE`, by default in `$XDG_CACHE_HOME/colburn` or `~/.cache/colburn`. A file is named after the hash of
//! all that its code follows from, and begins with the hash of the code. It is written under another name first, so that several processes may
//! start at once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

/// Bytes of the hash at the beginning of a file.
const HASH: usize = 16;

/// The file of the code that follows from these texts; none if the user has no cache folder.
pub(super) fn file(texts: &[&str]) -> Option<PathBuf> {
    let lengths: Vec<u8> = texts.iter().flat_map(|text| (text.len() as u64).to_le_bytes()).collect();
    let bytes = texts.iter().flat_map(|text| text.bytes());
    Some(
        folder(|name| env::var_os(name), env::home_dir())?
            .join(format!("{:032x}.cubin", hash(lengths.into_iter().chain(bytes)))),
    )
}

fn folder(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || Some(variable("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")))?.join("colburn"));
    Some(variable("COLBURN_CACHE").or_else(cache)?.join("kernels"))
}

/// The code in a file; none if there is no such file or it is damaged.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = fs::read(path).ok()?;
    let (expected, code) = bytes.split_first_chunk::<HASH>()?;
    (hash(code.iter().copied()) == u128::from_le_bytes(*expected)).then(|| code.to_vec())
}

/// Writes a file. A failure costs no more than another compilation in the next run.
pub(super) fn write(path: &Path, code: &[u8]) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let other = path.with_extension(format!("{}-{number}", process::id()));
    let mut bytes = hash(code.iter().copied()).to_le_bytes().to_vec();
    bytes.extend_from_slice(code);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&other, bytes));
    if let Err(error) = written.and_then(|()| fs::rename(&other, path)) {
        let _ = fs::remove_file(&other);
        tracing::debug!("a compiled kernel was not kept in {}: {error}", path.display());
    }
}

/// FNV-1a of 128 bits, which is the same in every build.
fn hash(bytes: impl Iterator<Item = u8>) -> u128 {
    let prime = (1 << 88) + 0x13b;
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(prime)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_authors() {
        assert_eq!(hash(b"".iter().copied()), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(hash(b"a".iter().copied()), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn a_file_is_named_after_all_texts_in_the_users_folder() {
        assert_ne!(file(&["a", "b"]), file(&["ab", ""]));
        let with = |known: &'static str| move |name: &str| (name == known).then(|| OsString::from("/x"));
        assert_eq!(folder(with("COLBURN_CACHE"), None), Some("/x/kernels".into()));
        assert_eq!(folder(with("XDG_CACHE_HOME"), None), Some("/x/colburn/kernels".into()));
        assert_eq!(folder(with(""), Some("/home/me".into())), Some("/home/me/.cache/colburn/kernels".into()));
        assert_eq!(folder(with(""), None), None);
    }

    #[test]
    fn a_damaged_file_is_none() {
        let folder = env::temp_dir().join(format!("colburn-compiled-{}", process::id()));
        let path = folder.join("deep").join("code.cubin");
        assert_eq!(read(&path), None);
        write(&path, b"code");
        assert_eq!(read(&path).as_deref(), Some(b"code".as_slice()));
        assert_eq!(fs::read_dir(folder.join("deep")).unwrap().count(), 1, "nothing else is left");
        let bytes = fs::read(&path).unwrap();
        for broken in [&bytes[..bytes.len() - 1], &bytes[..3], &[bytes.as_slice(), b"x"].concat()] {
            fs::write(&path, broken).unwrap();
            assert_eq!(read(&path), None);
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
