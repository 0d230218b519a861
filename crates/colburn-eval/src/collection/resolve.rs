//! From the name of a NanoBEIR collection to its folder: in a folder of collections, or in the local cache of the Hugging Face hub.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use colburn_data::nearest;

use super::{
    Collection,
    names::{self, NANO_BEIR, NanoName},
    nano::entries,
};
use crate::{Error, Result};

impl Collection {
    /// A collection by its name in any case: one of NanoBEIR's (`scifact`, `SciFact`, `NanoSciFact`, `zeta-alpha-ai/NanoSciFact`), or
    /// that of a folder in `root`.
    ///
    /// It is looked for in `root`, if given, then, if it is one of NanoBEIR's, in the cache of the Hugging Face hub, as `HF_HUB_CACHE`,
    /// `HF_HOME` or the home directory say; nothing is downloaded.
    ///
    /// # Errors
    /// When there is no collection of this name, or it is not there; the message says where it was looked for and how to get it.
    /// Otherwise as [`Collection::from_nano_dir`].
    pub fn from_nano_name(name: &str, root: Option<&Path>) -> Result<Self> {
        find(name, root, hub_cache().as_deref())
    }
}

/// A collection in a folder of collections or in a cache of the hub.
pub(super) fn find(name: &str, root: Option<&Path>, cache: Option<&Path>) -> Result<Collection> {
    let folders: Vec<PathBuf> = root.map(entries).into_iter().flatten().filter(|path| path.is_dir()).collect();
    let full = names::full_name(name);
    let is_meant = |folder: &&PathBuf| names::full_name(&names::folder_name(folder)).eq_ignore_ascii_case(&full);
    let meant: Vec<&PathBuf> = folders.iter().filter(is_meant).collect();
    if let [first, second, ..] = meant[..] {
        let [first, second] = [first.display(), second.display()];
        let message = format!("both {first} and {second} could be it; only one of them is expected");
        return Err(Error::Collection { place: full, message });
    }
    if let Some(folder) = meant.first() {
        return Collection::from_nano_dir(folder);
    }
    let known = known(name, &folders)?;
    let repository = cache.map(|cache| cache.join(format!("datasets--{}", known.repository().replace('/', "--"))));
    if let Some(snapshot) = repository.as_deref().and_then(snapshot) {
        return Collection::from_nano_dir_as(known.full.to_owned(), &snapshot, "train");
    }
    let NanoName { short, full } = known;
    let in_root = root.map(|root| format!("{short} or {full} in {}", root.display()));
    let in_cache = repository.map(|repository| repository.display().to_string());
    let looked = in_root.into_iter().chain(in_cache).collect::<Vec<_>>().join(", then ");
    let fetch = format!("huggingface-cli download --repo-type dataset {}", known.repository());
    let message = format!("no such folder; looked for {looked}; to fetch it: {fetch}");
    Err(Error::Collection { place: full.to_owned(), message })
}

/// What a repository of the cache holds as the newest.
fn snapshot(repository: &Path) -> Option<PathBuf> {
    let revision = fs::read_to_string(repository.join("refs").join("main")).ok()?;
    Some(repository.join("snapshots").join(revision.trim())).filter(|snapshot| snapshot.is_dir())
}

/// The collection of NanoBEIR that is meant.
fn known(name: &str, folders: &[PathBuf]) -> Result<NanoName> {
    NanoName::of(name).ok_or_else(|| {
        let folders: Vec<String> = folders.iter().map(|folder| names::folder_name(folder)).collect();
        let mut valid: Vec<&str> = NANO_BEIR.iter().map(|known| known.short).collect();
        valid.extend(folders.iter().map(String::as_str));
        let near =
            nearest(&name.to_lowercase(), &valid).map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
        let message = format!("no collection of this name; {near}the names are: {}", valid.join(", "));
        Error::Collection { place: format!("\"{name}\""), message }
    })
}

/// Where the hub's own tools keep what they downloaded.
fn hub_cache() -> Option<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(env::home_dir()?.join(".cache"));
    variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("XDG_CACHE_HOME").or_else(home)?.join("huggingface").join("hub")))
}
