//! The folder of a NanoBEIR collection by its name: in a folder of collections, or from the Hugging Face hub and its cache.

use std::path::{Path, PathBuf};

use colburn_data::nearest;

use super::{
    Collection,
    names::{self, NANO_BEIR, NanoName},
    parts::entries,
};
use crate::error::{Error, Result};

impl Collection {
    /// A collection by its name in any case: one of NanoBEIR's (`scifact`, `SciFact`, `NanoSciFact`, `zeta-alpha-ai/NanoSciFact`), or
    /// that of a folder in `root`.
    ///
    /// It is looked for in `root`, if given, then, if it is one of NanoBEIR's, in the cache of the Hugging Face hub, and last on the hub
    /// itself (feature `hub`).
    ///
    /// # Errors
    /// When there is no collection of this name, or it is not there and cannot be fetched; the message says where it was looked for.
    /// Otherwise as [`Collection::from_nano_dir`].
    pub fn from_nano_name(name: &str, root: Option<&Path>) -> Result<Self> {
        find(name, root, on_the_hub)
    }
}

/// A collection in a folder of collections, or where `elsewhere` has it. `elsewhere` gets the places where it was not found, for its error.
pub(super) fn find(
    name: &str,
    root: Option<&Path>,
    elsewhere: impl FnOnce(NanoName, String) -> Result<PathBuf>,
) -> Result<Collection> {
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
    let NanoName { short, full } = known;
    let looked = root.map_or_else(
        || "no folder of collections is given".to_owned(),
        |root| format!("there is no folder {short} or {full} in {}", root.display()),
    );
    Collection::from_nano_dir_as(full.to_owned(), &elsewhere(known, looked)?, "train")
}

/// The folder in the hub's cache. Collections do not change: one that is there is not looked up again.
#[cfg(feature = "hub")]
fn on_the_hub(known: NanoName, looked: String) -> Result<PathBuf> {
    use colburn_hub::{Hub, RepoKind};

    const PARTS: [&str; 3] = ["corpus/*", "queries/*", "qrels/*"];
    let hub = Hub::from_env();
    let wrong = |source| Error::Hub { name: known.full.to_owned(), looked, source };
    let id = match known.repository().parse() {
        Ok(id) => id,
        Err(error) => return Err(wrong(error)),
    };
    let cached = hub.clone().with_offline(true).snapshot(RepoKind::Dataset, &id, &PARTS);
    cached.or_else(|_| hub.snapshot(RepoKind::Dataset, &id, &PARTS)).map_err(wrong)
}

#[cfg(not(feature = "hub"))]
fn on_the_hub(known: NanoName, looked: String) -> Result<PathBuf> {
    let message = format!("{looked}, and this build cannot fetch {} (feature `hub`)", known.repository());
    Err(Error::Collection { place: known.full.to_owned(), message })
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
