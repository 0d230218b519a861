//! `cargo xtask sanitize`: the tests of colburn-ops under AddressSanitizer, which detects every read and write beyond an allocation, by any
//! instruction. Miri knows no AVX-512 and is too slow for the threads. The stable toolchain has the sanitizer's runtime, and its option behind
//! `RUSTC_BOOTSTRAP`. The build has a target folder of its own.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{self, cargo, repository};
use crate::result::Result;

/// The target is named, so that build scripts and macros, which run inside the compiler, are built without the sanitizer.
const TARGET: &str = "x86_64-unknown-linux-gnu";

pub fn run() -> Result<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(format!("sanitize needs {TARGET}"));
    }
    process::run("kernels under AddressSanitizer", &mut tests()).map(drop)
}

/// The tests of colburn-ops.
pub fn tests() -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let arguments = ["test", "--release", "--target", TARGET, "-p", "colburn-ops", "--features", "flex", "--lib"];
    let mut command = cargo(&arguments);
    command
        .env("CARGO_TARGET_DIR", target.join("sanitize"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address");
    command
}
