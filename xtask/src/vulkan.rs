//! The Vulkan driver that wgpu needs on Linux: a GPU's, or Mesa's software renderer.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process;
use crate::result::Result;

/// Fails if Linux has no Vulkan driver, without which wgpu finds no adapter: before a build of a quarter of an hour, not after
/// it.
pub fn find() -> Result<()> {
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
