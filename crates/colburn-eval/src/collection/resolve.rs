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
    /// It is looked for in `root`, if given, and else in the cache of the Hugging Face hub, as `HF_HUB_CACHE`, `HF_HOME` or the home
    /// directory say; nothing is downloaded.
    ///
    /// # Errors
    /// When there is no collection of this name, or it is not there; the message says where it was looked for and how to get it.
    /// Otherwise as [`Collection::from_nano_dir`].
    pub fn from_nano_name(name: &str, root: Option<&Path>) -> Result<Self> {
        match root {
            Some(root) => in_root(name, root),
            None => in_caches(name, &hub_caches()),
        }
    }
}

fn in_root(name: &str, root: &Path) -> Result<Collection> {
    let full = names::full_name(name);
    let folders: Vec<PathBuf> = entries(root).into_iter().filter(|path| path.is_dir()).collect();
    let is_meant = |folder: &&PathBuf| names::full_name(&names::folder_name(folder)).eq_ignore_ascii_case(&full);
    match folders.iter().filter(is_meant).collect::<Vec<_>>()[..] {
        [folder] => Collection::from_nano_dir(folder),
        [first, second, ..] => {
            let [first, second] = [first, second].map(|folder| names::folder_name(folder));
            let message = format!("both \"{first}\" and \"{second}\" could be {full}; only one of them is expected");
            Err(Error::Collection { place: root.display().to_string(), message })
        }
        [] => {
            let found: Vec<String> = folders.iter().map(|folder| names::folder_name(folder)).collect();
            let known = known(name, &found)?;
            let there = if found.is_empty() { "no folders".to_owned() } else { found.join(", ") };
            let message = format!("no folder {} or {}; found: {there}; {}", known.short, known.full, how_to_get(known));
            Err(Error::Collection { place: root.display().to_string(), message })
        }
    }
}

fn in_caches(name: &str, caches: &[PathBuf]) -> Result<Collection> {
    let known = known(name, &[])?;
    let repositories: Vec<PathBuf> =
        caches.iter().map(|cache| cache.join(format!("datasets--{}", known.repository().replace('/', "--")))).collect();
    let snapshot = |repository: &PathBuf| {
        let revision = fs::read_to_string(repository.join("refs").join("main")).ok()?;
        Some(repository.join("snapshots").join(revision.trim())).filter(|snapshot| snapshot.is_dir())
    };
    match repositories.iter().find_map(snapshot) {
        Some(snapshot) => Collection::from_nano_dir_as(known.full.to_owned(), &snapshot, "train"),
        None => {
            let looked: Vec<String> = repositories.iter().map(|folder| folder.display().to_string()).collect();
            let message = format!("not in the local cache (looked at {}); {}", looked.join(", "), how_to_get(known));
            Err(Error::Collection { place: known.full.to_owned(), message })
        }
    }
}

/// The collection of NanoBEIR that is meant.
fn known(name: &str, folders: &[String]) -> Result<NanoName> {
    NanoName::of(name).ok_or_else(|| {
        let mut valid: Vec<&str> = NANO_BEIR.iter().map(|known| known.short).collect();
        valid.extend(folders.iter().map(String::as_str));
        let near =
            nearest(&name.to_lowercase(), &valid).map_or(String::new(), |near| format!("did you mean \"{near}\"? "));
        let message = format!("no collection of this name; {near}the names are: {}", valid.join(", "));
        Error::Collection { place: format!("\"{name}\""), message }
    })
}

fn how_to_get(name: NanoName) -> String {
    format!("to fetch it: huggingface-cli download --repo-type dataset {}", name.repository())
}

/// Where the hub's own tools keep what they downloaded.
fn hub_caches() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || Some(env::home_dir()?.join(".cache"));
    let cache = variable("HF_HUB_CACHE")
        .or_else(|| Some(variable("HF_HOME")?.join("hub")))
        .or_else(|| Some(variable("XDG_CACHE_HOME").or_else(home)?.join("huggingface").join("hub")));
    cache.into_iter().collect()
}
