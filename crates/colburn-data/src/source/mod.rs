//! Where rows lie and how they are read. A [`Source`] is only a description; [`find`] looks for its files.

pub(crate) mod find;
pub(crate) mod folders;
pub(crate) mod format;
mod patterns;
mod splits;

use std::path::{Path, PathBuf};

pub use self::format::Format;

/// Where rows lie, and how they are read.
///
/// The place is one of these, and the first that exists counts:
///
/// - a file;
/// - a folder with all its data files, also those of folders in it. A folder `lang=en` adds a column `lang` of texts. What
///   `Dataset.save_to_disk` of Hugging Face's `datasets` writes is such a folder. A README, a licence and hidden files are no data;
/// - a pattern with `*` and `?`, in which a folder `**` stands for any folders: `data/**/train-*.parquet`;
/// - a data set on the Hugging Face hub, `org/name[@revision][:config[:split]]` (feature `hub`).
///
/// The rows of several files follow each other in the order of the names. A column that a file lacks is missing in its rows.
///
/// The content of a file decides its format where it is certain, then its name: `.parquet`, `.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv`,
/// `.arrow`, `.feather`, `.txt`. All but Parquet and Arrow may be compressed by gzip, zstd or bzip2.
///
/// ```
/// use colburn_data::{Dataset, Source};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("collection.tsv");
/// std::fs::write(&path, "d1\tfirst passage\nd2\tsecond passage\n")?;
/// let source = Source::new(&path).with_column_names(vec!["id".to_owned(), "text".to_owned()]);
/// let data = Dataset::from_source(&source)?;
/// assert_eq!((data.len(), data.text(1, 0)?, data.text(1, 1)?), (2, "d2", "second passage"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub(crate) spec: PathBuf,
    pub(crate) format: Option<Format>,
    pub(crate) delimiter: Option<char>,
    pub(crate) column_names: Option<Vec<String>>,
    pub(crate) split: Option<String>,
}

impl Source {
    /// A path, a pattern, a folder or a name on the hub.
    pub fn new(spec: impl AsRef<Path>) -> Self {
        Self { spec: spec.as_ref().to_owned(), format: None, delimiter: None, column_names: None, split: None }
    }

    /// The format of all files, whatever their names and first bytes say.
    pub fn with_format(self, format: Format) -> Self {
        Self { format: Some(format), ..self }
    }

    /// The character between two cells of a CSV or TSV file. Without it the file's first lines decide among comma, semicolon, tab and
    /// vertical bar.
    pub fn with_delimiter(self, delimiter: char) -> Self {
        Self { delimiter: Some(delimiter), ..self }
    }

    /// The names of the columns of a CSV or TSV file that has no header, or of the one column of a text file.
    pub fn with_column_names(self, names: Vec<String>) -> Self {
        Self { column_names: Some(names), ..self }
    }

    /// The split to read where the place holds several: `train`, `validation`, `test`.
    pub fn with_split(self, split: &str) -> Self {
        Self { split: Some(split.to_owned()), ..self }
    }

    /// The place as it was given.
    pub fn spec(&self) -> &Path {
        &self.spec
    }
}
