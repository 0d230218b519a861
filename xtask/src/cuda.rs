//! Builds with the CUDA backend. `cargo xtask cuda` compiles the binary; the parity tests, the benchmark and the archive for a GPU machine
//! build by the same door. The kernels are compiled by NVRTC at run time. Burn's build script still downloads a prebuilt LLVM. Where nothing can be
//! downloaded, a stand-in replaces the crate `cubecl-llvm`. The stand-in must never reach the committed lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, cargo, repository};
use crate::result::Result;

/// The arguments of the binary's build.
pub const BINARY: [&str; 6] = ["build", "--release", "-p", "colburn-cli", "--features", "cuda"];

pub fn run(stand_in: Option<&Path>) -> Result<()> {
    build(stand_in, |cargo| process::run("cuda", &mut cargo.command(&BINARY))).map(drop)
}

/// Runs builds with the CUDA backend. The lock file is as before afterwards.
pub fn build<T>(stand_in: Option<&Path>, builds: impl FnOnce(&Cargo) -> Result<T>) -> Result<T> {
    let Some(stand_in) = stand_in else { return builds(&Cargo { patch: None }) };
    let stand_in =
        std::path::absolute(stand_in).map_err(|error| format!("--stand-in {}: {error}", stand_in.display()))?;
    if !stand_in.join("Cargo.toml").is_file() {
        return Err(format!("--stand-in {}: no Cargo.toml there", stand_in.display()));
    }
    let patch = format!("patch.crates-io.cubecl-llvm.path={:?}", stand_in.display().to_string());
    let lock = LockFile::keep(&repository().join("Cargo.lock"))?;
    let built = builds(&Cargo { patch: Some(patch) });
    lock.restore()?;
    built
}

/// Cargo, with the stand-in if there is one.
pub struct Cargo {
    patch: Option<String>,
}

impl Cargo {
    /// A call with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let patched = self.patch.iter().flat_map(|patch| ["--config", patch]);
        cargo(&patched.chain(arguments.iter().copied()).collect::<Vec<_>>())
    }
}

/// The original Cargo.lock. Dropping this restores it. A copy on disk survives an interrupt, and the next run restores it
/// first.
struct LockFile {
    path: PathBuf,
    copy: PathBuf,
}

impl LockFile {
    fn keep(path: &Path) -> Result<Self> {
        let copy = path.with_extension("lock.before-cuda");
        let lock = Self { path: path.to_owned(), copy };
        if lock.copy.is_file() {
            eprintln!("an earlier run was interrupted: putting {} back first", lock.path.display());
            lock.put_back()?;
        }
        fs::copy(&lock.path, &lock.copy)
            .map_err(|error| format!("{} cannot be copied: {error}", lock.path.display()))?;
        Ok(lock)
    }

    fn put_back(&self) -> Result<()> {
        fs::rename(&self.copy, &self.path).map_err(|error| {
            format!("{} could not be restored from {}: {error}", self.path.display(), self.copy.display())
        })
    }

    fn restore(self) -> Result<()> {
        self.put_back()
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.copy.is_file()
            && let Err(message) = self.put_back()
        {
            eprintln!("error: {message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Cargo, LockFile};

    #[test]
    fn the_stand_in_comes_before_the_command() {
        let words = |patch: Option<&str>| -> Vec<String> {
            let command = Cargo { patch: patch.map(str::to_owned) }.command(&["test", "--", "--ignored"]);
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(words(None), ["test", "--", "--ignored"]);
        assert_eq!(words(Some("a.path=\"b\"")), ["--config", "a.path=\"b\"", "test", "--", "--ignored"]);
    }

    #[test]
    fn the_lock_file_comes_back_even_after_an_interrupt() {
        let folder = std::env::temp_dir().join(format!("xtask-lock-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("Cargo.lock");
        fs::write(&path, "as committed").unwrap();

        let lock = LockFile::keep(&path).unwrap();
        fs::write(&path, "patched").unwrap();
        drop(lock);
        assert_eq!(fs::read_to_string(&path).unwrap(), "as committed");

        std::mem::forget(LockFile::keep(&path).unwrap());
        fs::write(&path, "patched").unwrap();
        LockFile::keep(&path).unwrap().restore().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "as committed");
        fs::remove_dir_all(&folder).unwrap();
    }
}
