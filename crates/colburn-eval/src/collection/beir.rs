//! BEIR's layout (`corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`), and files given one by one.

use std::path::{Path, PathBuf};

use colburn_data::{Dataset, Source};

use super::{
    Collection, EmptyTexts, assemble, judgements, lines, names, nested, parts,
    table::{Layout, PLAIN, TextTable},
};
use crate::error::{Error, Result};

const DOCUMENTS: Layout = Layout { title: true, strip: true };

/// The endings of files with judgements in lines of fields.
const LINES: [&str; 6] = ["tsv", "txt", "trec", "qrels", "qrel", "test"];

impl Collection {
    /// A directory in BEIR's layout: `corpus.jsonl` (`_id`, `text`, with or without `title`), `queries.jsonl` (`_id`, `text`) and the
    /// judgements of a split, `qrels/test.tsv`: a header, then query id, document id and score on each line, separated by tabs. Each may be
    /// of another format, `corpus.jsonl.gz` or `corpus.parquet`, as [`Collection::from_files`] reads them. The directory's name is the
    /// collection's.
    ///
    /// A document is its title and its text with a space between, stripped (`evaluation.load_beir` and `load_custom_dataset` of PyLate,
    /// which put the word `None` where the corpus has no titles). Only queries of the split with a relevant document count, and a score
    /// of 0 or less is not relevant.
    ///
    /// # Errors
    /// As [`Collection::from_nano_dir`].
    pub fn from_beir_dir(dir: impl AsRef<Path>, split: &str) -> Result<Self> {
        let dir = dir.as_ref();
        let corpus = part(dir, "corpus")?;
        let queries = part(dir, "queries")?;
        let folder = dir.join("qrels");
        let qrels = match &parts::named(&folder, split, "tsv", is_judgements)[..] {
            [qrels] => qrels.clone(),
            [] => {
                let mut splits: Vec<String> = parts::entries(&folder)
                    .iter()
                    .filter(|path| is_judgements(path))
                    .filter_map(|path| Some(parts::split_name(path)?.0))
                    .collect();
                splits.dedup();
                let splits = if splits.is_empty() { "none".to_owned() } else { splits.join(", ") };
                let message = format!("no split \"{split}\": {split}.tsv is expected; the splits are: {splits}");
                return Err(wrong(&folder, message));
            }
            several => return Err(wrong(&folder, one_of(several))),
        };
        Self::from_files(names::folder_name(dir), queries, corpus, qrels)
    }

    /// Three files of any format that [`Dataset::load`] reads. Queries and corpus have ids (`_id`, `id`, …) and texts (`text`, …), the corpus
    /// with or without `title`. The judgements have `query-id`, `corpus-id` and, if they are graded, `score`; they may also be lines of these
    /// three or of TREC's four fields (`.tsv`, `.txt`, `.trec`, `.qrels`), or one JSON object, `{"q1": {"d1": 1}}`. Documents are read as
    /// [`Collection::from_beir_dir`] does.
    ///
    /// An id of the judgements that is none of the texts' is compared as a whole number: `7.0` is `7`.
    ///
    /// # Errors
    /// As [`Collection::from_nano_dir`].
    pub fn from_files(
        name: impl Into<String>,
        queries: impl AsRef<Path>,
        corpus: impl AsRef<Path>,
        qrels: impl AsRef<Path>,
    ) -> Result<Self> {
        let (name, qrels) = (name.into(), qrels.as_ref());
        let corpus = TextTable::new(Dataset::from_source(&Source::new(corpus))?, DOCUMENTS)?;
        let queries = TextTable::new(Dataset::from_source(&Source::new(queries))?, PLAIN)?;
        let ending = parts::split_name(qrels).map(|(_, ending)| ending).unwrap_or_default();
        if qrels.is_file() && LINES.contains(&ending.as_str()) {
            return assemble(name, queries, corpus, lines::read(qrels)?, EmptyTexts::Kept);
        }
        if qrels.is_file()
            && ending == "json"
            && let Some(judgements) = nested::read(qrels)?
        {
            return assemble(name, queries, corpus, judgements.into_iter().map(Ok), EmptyTexts::Kept);
        }
        let qrels = Dataset::from_source(&Source::new(qrels))?;
        assemble(name, queries, corpus, judgements::of_table(&qrels)?, EmptyTexts::Kept)
    }

    /// True if a folder has a file with a corpus, as BEIR's layout has.
    pub(crate) fn is_beir_dir(dir: &Path) -> bool {
        !parts::named(dir, "corpus", "jsonl", parts::is_data).is_empty()
    }
}

/// The file of the corpus or the queries.
fn part(dir: &Path, stem: &str) -> Result<PathBuf> {
    match &parts::named(dir, stem, "jsonl", parts::is_data)[..] {
        [path] => Ok(path.clone()),
        [] => {
            let nano =
                if dir.join("corpus").is_dir() { "; with a folder \"corpus\" this is NanoBEIR's layout" } else { "" };
            let expected = "corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv are expected";
            Err(wrong(dir, format!("no file \"{stem}.jsonl\"; {expected}{nano}")))
        }
        several => Err(wrong(dir, one_of(several))),
    }
}

fn is_judgements(path: &Path) -> bool {
    parts::is_data(path)
        || (path.is_file() && parts::split_name(path).is_some_and(|(_, ending)| LINES.contains(&ending.as_str())))
}

fn one_of(several: &[PathBuf]) -> String {
    let found: Vec<String> = several.iter().map(|path| names::folder_name(path)).collect();
    format!("several files could be it: {}; only one of them is expected", found.join(", "))
}

fn wrong(place: &Path, message: String) -> Error {
    Error::Collection { place: place.display().to_string(), message }
}
