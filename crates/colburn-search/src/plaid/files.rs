//! Operations on the folders of a PLAID index: copies, sizes, syncs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use crate::{Error, Result};

/// The prefix of the files that next-plaid derives from others when it opens an index.
const DERIVED: &str = "merged_";

/// The files of a folder that are not derived, with their sizes in bytes.
pub(super) fn sizes(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let mut sizes = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(DERIVED) {
            sizes.insert(name, entry.metadata().map_err(Error::io(entry.path()))?.len());
        }
    }
    Ok(sizes)
}

/// Copies the files of a folder that are not derived into a new one.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(Error::io(to))?;
    for name in sizes(from)?.keys() {
        fs::copy(from.join(name), to.join(name)).map_err(Error::io(to.join(name)))?;
    }
    Ok(())
}

/// Syncs a folder with all its files.
pub(super) fn sync(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        // Opened for writing, because some systems sync only such files.
        let file = File::options().write(true).open(&path).map_err(Error::io(&path))?;
        file.sync_all().map_err(Error::io(&path))?;
    }
    #[cfg(unix)]
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))?;
    }
    Ok(())
}

/// The size of all files of a folder in bytes; unreadable ones count 0.
pub(super) fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}

/// Refuses a folder if a file is missing or has another size.
pub(super) fn check(folder: &Path, expected: &BTreeMap<String, u64>) -> Result<()> {
    for (name, &bytes) in expected {
        let path = folder.join(name);
        let found = fs::metadata(&path).map_err(Error::io(&path))?.len();
        if found != bytes {
            return Err(Error::index(&path, format!("damaged or cut: {found} bytes, by index.json it has {bytes}")));
        }
    }
    Ok(())
}
