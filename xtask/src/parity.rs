//! `cargo xtask parity`: the parity suite (`tests/parity`) on one backend. The backend is a feature of the build and the device
//! a value of the run, so each backend is a build of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::process::{self, cargo};
use crate::result::Result;

/// The backends that the parity suite runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Device {
    Flex,
    Ndarray,
    Wgpu,
}

impl Device {
    fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self> {
        [Self::Flex, Self::Ndarray, Self::Wgpu]
            .into_iter()
            .find(|device| device.name() == name)
            .ok_or_else(|| format!("unknown device `{name}` for the parity tests: flex, ndarray or wgpu"))
    }
}

pub fn run(device: Device, minilm: Option<&Path>) -> Result<Duration> {
    if device == Device::Wgpu {
        find_vulkan()?;
    }
    // The whole workspace with one more backend, so that what the other tests built serves here too.
    let mut tests = cargo(&["test", "--release", "--workspace", "--features", device.name(), "--test", "parity"]);
    tests.env("BURN_DEVICE", device.name());
    if device == Device::Wgpu && std::env::var_os("CUBECL_AUTOTUNE_LEVEL").is_none() {
        // Tuning kernels for a tiny model would take longer than running them, most of all on a software renderer.
        tests.env("CUBECL_AUTOTUNE_LEVEL", "minimal");
    }
    if let Some(directory) = minilm {
        let directory =
            std::path::absolute(directory).map_err(|error| format!("--minilm {}: {error}", directory.display()))?;
        if !directory.join("model.safetensors").is_file() {
            return Err(format!("--minilm {}: no model.safetensors there", directory.display()));
        }
        tests.env("COLBURN_MINILM", directory).args(["--", "--include-ignored"]);
    }
    process::run(&format!("parity on {}", device.name()), &mut tests)
}

/// Fails if Linux has no Vulkan driver, without which wgpu finds no adapter: before a build of a quarter of an hour, not after
/// it.
fn find_vulkan() -> Result<()> {
    if !cfg!(target_os = "linux")
        || std::env::var_os("VK_ICD_FILENAMES").is_some()
        || std::env::var_os("VK_DRIVER_FILES").is_some()
    {
        return Ok(());
    }
    let mut folders: Vec<PathBuf> = ["/usr/share", "/usr/local/share", "/etc"].iter().map(PathBuf::from).collect();
    folders.extend(std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    let has_driver = folders.iter().any(|folder| {
        let listing = std::fs::read_dir(folder.join("vulkan/icd.d"));
        listing.is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.path().extension().is_some_and(|e| e == "json")))
        })
    });
    let has_loader =
        process::succeeds(Command::new("sh").args(["-c", "ldconfig -p 2>/dev/null | grep -q 'libvulkan\\.so\\.1'"]))
            || ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
                .iter()
                .any(|folder| Path::new(folder).join("libvulkan.so.1").exists());
    match (has_driver, has_loader) {
        (true, true) => Ok(()),
        (false, _) => {
            Err("no Vulkan driver found (vulkan/icd.d is empty): install a GPU's driver, or Mesa's software renderer \
                           with `apt-get install mesa-vulkan-drivers libvulkan1`"
                .into())
        }
        (true, false) => Err("libvulkan.so.1 not found: `apt-get install libvulkan1`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::Device;

    #[test]
    fn devices_have_names() {
        assert_eq!("ndarray".parse(), Ok(Device::Ndarray));
        assert!("cuda".parse::<Device>().unwrap_err().contains("flex, ndarray or wgpu"));
    }
}
