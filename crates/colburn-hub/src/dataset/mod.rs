//! The files of a split of a data set in a repository. The rules are those of the `datasets` library: the configurations in the metadata of
//! README.md (`card.rs`), or else the names of folders and files (`layout.rs`). A data set in another format is read from the branch on which
//! the hub has a copy of every data set in Parquet.

mod card;
mod layout;

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{Error, Hub, RepoId, RepoKind, Result, cache::RepoFile, listing::Listing};
use card::CardConfig;
use layout::Split;

/// The branch on which the hub keeps a copy of each data set in Parquet files, `CONFIG/SPLIT/0000.parquet`.
const CONVERTED: &str = "refs/convert/parquet";

/// The known formats, in the order of preference.
const FORMATS: [&[&str]; 3] = [&[".parquet"], &[".jsonl", ".ndjson"], &[".csv"]];

/// A split of a data set in one word: `org/name[@revision][:config[:split]]`.
///
/// ```
/// use colburn_hub::DatasetId;
///
/// let triplets: DatasetId = "sentence-transformers/msmarco-bm25:triplet".parse()?;
/// assert_eq!((triplets.config(), triplets.split()), (Some("triplet"), None));
/// let eval: DatasetId = "org/name@v2::validation".parse()?;
/// assert_eq!((eval.id().revision(), eval.config(), eval.split()), ("v2", None, Some("validation")));
/// # Ok::<(), colburn_hub::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DatasetId {
    id: RepoId,
    config: Option<String>,
    split: Option<String>,
}

impl DatasetId {
    /// The repository.
    pub fn id(&self) -> &RepoId {
        &self.id
    }

    /// The configuration, if one is named.
    pub fn config(&self) -> Option<&str> {
        self.config.as_deref()
    }

    /// The split, if one is named.
    pub fn split(&self) -> Option<&str> {
        self.split.as_deref()
    }
}

impl FromStr for DatasetId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let id = parts.next().unwrap_or_default().parse()?;
        let mut part = || parts.next().filter(|part| !part.is_empty()).map(str::to_owned);
        let (config, split) = (part(), part());
        if parts.next().is_some()
            || [&config, &split].iter().any(|part| part.iter().any(|part| part.contains(['/', '\\'])))
        {
            let message =
                "at most the names of a configuration and a split are expected after it: `org/name:config:split`"
                    .to_owned();
            return Err(Error::Name { name: text.to_owned(), message });
        }
        Ok(Self { id, config, split })
    }
}

impl fmt::Display for DatasetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)?;
        match (&self.config, &self.split) {
            (None, None) => Ok(()),
            (Some(config), None) => write!(f, ":{config}"),
            (config, Some(split)) => write!(f, ":{}:{split}", config.as_deref().unwrap_or_default()),
        }
    }
}

impl Hub {
    /// Fetches the data files of a split of a data set, and returns their paths in order. Without a configuration it is the default or only
    /// one; without a split the only one, or `train`. The files are Parquet, JSON Lines or CSV.
    ///
    /// # Errors
    /// When there is no such data set, configuration or split (the message lists the existing ones), when it has no file in a known format,
    /// and as [`Hub::model`].
    pub fn dataset(&self, id: &RepoId, config: Option<&str>, split: Option<&str>) -> Result<Vec<PathBuf>> {
        let named = self.list(RepoKind::Dataset, id)?;
        let listing = named.clone();
        let wrong = |message: String| Error::Dataset { what: listing.resource.what(), message };
        let splits = self.splits(&listing, config).and_then(|splits| match splits.is_empty() {
            true => self.converted(&listing, config),
            false => Ok((listing.clone(), splits)),
        });
        let (listing, splits) = splits?;
        let chosen = layout::choose(splits, split).map_err(wrong)?;
        if !listing.whole
            && let Some(shard) = layout::missing_shard(&chosen.files)
        {
            return Err(listing.error(format!("there is no shard {shard}")));
        }
        let files = chosen.files.iter().map(|path| self.fetch(&listing, path)).collect::<Result<Vec<_>>>()?;
        // Both commits, if the files are converted ones: without a network, the first leads to the second.
        named.remember();
        listing.remember();
        Ok(files)
    }

    /// The splits of a configuration; empty if no file has a known format.
    fn splits(&self, listing: &Listing, config: Option<&str>) -> Result<Vec<Split>> {
        let wrong = |message: String| Error::Dataset { what: listing.resource.what(), message };
        let card = match listing.file("README.md") {
            None => String::new(),
            Some(_) => {
                let place = self.fetch(listing, "README.md")?;
                String::from_utf8_lossy(&std::fs::read(&place).map_err(crate::error::io(&place))?).into_owned()
            }
        };
        let configs = card::configs(&card).map_err(|message| wrong(format!("README.md: {message}")))?;
        let files = readable(&listing.files);
        let by_name = |folder: &str| in_one_format(layout::by_name(folder, &files));
        if configs.is_empty() {
            // The converted files may have configurations that only a loading script knew.
            return Ok(match config {
                None | Some("default") => by_name(""),
                Some(_) => Vec::new(),
            });
        }
        let CardConfig { data_dir, data_files, .. } = card::choose(configs, config).map_err(wrong)?;
        Ok(match data_files {
            None => by_name(&data_dir),
            Some(patterns) => in_one_format(layout::by_patterns(&data_dir, patterns, &files)),
        })
    }

    /// The splits on the branch of converted files.
    fn converted(&self, listing: &Listing, config: Option<&str>) -> Result<(Listing, Vec<Split>)> {
        let wrong = |message: String| Error::Dataset { what: listing.resource.what(), message };
        let branch = listing.id.at(CONVERTED)?;
        let unread = match config {
            Some(config) => format!("there is no configuration {config:?} with Parquet, JSON Lines or CSV files"),
            None => "there are no Parquet, JSON Lines or CSV files".to_owned(),
        };
        let found = match self.list(RepoKind::Dataset, &branch) {
            Ok(found) => found,
            Err(Error::Hub { .. } | Error::Offline { .. }) => {
                return Err(wrong(format!("{unread}, and no copy that the hub has converted ({CONVERTED})")));
            }
            Err(error) => return Err(error),
        };
        let mut configs: Vec<&str> = found.files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
        configs.retain(|config| !config.starts_with('.'));
        configs.dedup();
        let name = match config {
            Some(config) if configs.contains(&config) => config,
            None if configs.contains(&"default") => "default",
            None if configs.len() == 1 => configs[0],
            _ if configs.is_empty() => return Err(wrong(format!("{unread}, and {CONVERTED} has none either"))),
            given => return Err(wrong(card::no_config(given, &configs))),
        };
        let splits = in_one_format(layout::converted(name, &readable(&found.files)));
        Ok((found, splits))
    }
}

/// The paths of the files in known formats.
fn readable(files: &[RepoFile]) -> Vec<&str> {
    let paths = files.iter().map(|file| file.path.as_str());
    paths.filter(|path| FORMATS.iter().any(|ends| is_one_of(path, ends))).collect()
}

/// The splits, each with its files of the preferred format among those it has, independent of other splits.
fn in_one_format(splits: Vec<Split>) -> Vec<Split> {
    let of = |files: &[String], ends: &[&str]| -> Vec<String> {
        files.iter().filter(|path| is_one_of(path, ends)).cloned().collect()
    };
    let preferred = |files: &[String]| FORMATS.iter().map(|ends| of(files, ends)).find(|found| !found.is_empty());
    splits.into_iter().filter_map(|split| Some(Split { files: preferred(&split.files)?, ..split })).collect()
}

fn is_one_of(path: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_in_one_word() {
        for (text, config, split) in [
            ("org/name", None, None),
            ("org/name:a", Some("a"), None),
            ("org/name@v1:a:test", Some("a"), Some("test")),
            ("org/name::test", None, Some("test")),
        ] {
            let id: DatasetId = text.parse().unwrap();
            assert_eq!((id.config(), id.split()), (config, split));
            assert_eq!(id.to_string(), text);
        }
        for text in ["org/name:a:b:c", ":a", "../x:a", "C:\\data"] {
            assert!(
                text.parse::<DatasetId>().unwrap_err().to_string().contains("not the name of a repository"),
                "{text}"
            );
        }
    }
}
