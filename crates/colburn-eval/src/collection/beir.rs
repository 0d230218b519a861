//! BEIR's layout (`corpus.jsonl`, `queries.jsonl`, `qrels/SPLIT.tsv`), and files given one by one.

use std::path::Path;

use colburn_data::Dataset;

use super::{
    Collection, EmptyTexts, assemble, judgements, names,
    nano::entries,
    table::{Layout, TextTable},
    tsv,
};
use crate::error::{Error, Result};

const QUERIES: Layout = Layout { ids: &["_id", "id", "query_id", "query-id"], title: false, strip: false };
const DOCUMENTS: Layout = Layout { ids: &["_id", "id", "document_id", "corpus-id"], title: true, strip: true };

impl Collection {
    /// A directory in BEIR's layout: `corpus.jsonl` (`_id`, `text`, with or without `title`), `queries.jsonl` (`_id`, `text`) and the
    /// judgements of a split, `qrels/test.tsv`: a header, then query id, document id and score on each line, separated by tabs. The
    /// directory's name is the collection's.
    ///
    /// A document is its title and its text with a space between, stripped (`evaluation.load_beir` and `load_custom_dataset` of PyLate,
    /// which put the word `None` where the corpus has no titles). Only queries of the split with a relevant document count, and a score
    /// of 0 or less is not relevant.
    ///
    /// # Errors
    /// As [`Collection::from_nano_dir`].
    pub fn from_beir_dir(dir: impl AsRef<Path>, split: &str) -> Result<Self> {
        let dir = dir.as_ref();
        let [corpus, queries] = ["corpus.jsonl", "queries.jsonl"].map(|file| dir.join(file));
        let wrong = |place: &Path, message: String| Error::Collection { place: place.display().to_string(), message };
        if let Some(missing) = [&corpus, &queries].into_iter().find(|path| !path.is_file()) {
            let nano =
                if dir.join("corpus").is_dir() { "; with a folder \"corpus\" this is NanoBEIR's layout" } else { "" };
            let file = names::folder_name(missing);
            let expected = "corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv are expected";
            return Err(wrong(dir, format!("no file \"{file}\"; {expected}{nano}")));
        }
        let folder = dir.join("qrels");
        let qrels = folder.join(format!("{split}.tsv"));
        if !qrels.is_file() {
            let splits: Vec<String> = entries(&folder)
                .iter()
                .filter(|path| path.extension().is_some_and(|extension| extension == "tsv"))
                .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
                .collect();
            let splits = if splits.is_empty() { "none".to_owned() } else { splits.join(", ") };
            return Err(wrong(
                &folder,
                format!("no split \"{split}\": {split}.tsv is expected; the splits are: {splits}"),
            ));
        }
        Self::from_files(names::folder_name(dir), queries, corpus, qrels)
    }

    /// Three files of any format that [`Dataset::load`] reads, and `.tsv` for the judgements: queries and corpus with `_id` (or `id`)
    /// and `text`, the corpus with or without `title`, judgements with `query-id`, `corpus-id` and, if they are graded, `score`.
    /// Documents are read as [`Collection::from_beir_dir`] does.
    ///
    /// # Errors
    /// As [`Collection::from_nano_dir`].
    pub fn from_files(
        name: impl Into<String>,
        queries: impl AsRef<Path>,
        corpus: impl AsRef<Path>,
        qrels: impl AsRef<Path>,
    ) -> Result<Self> {
        let corpus = TextTable::new(Dataset::load(corpus)?, &DOCUMENTS)?;
        let queries = TextTable::new(Dataset::load(queries)?, &QUERIES)?;
        let qrels = qrels.as_ref();
        if qrels.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv")) {
            return assemble(name.into(), queries, corpus, tsv::read(qrels)?, EmptyTexts::Kept);
        }
        let qrels = Dataset::load(qrels)?;
        assemble(name.into(), queries, corpus, judgements::of_table(&qrels)?, EmptyTexts::Kept)
    }
}
