//! The datasets of a run: their names, sizes and columns, and the loss of each.

use std::path::PathBuf;

use colburn_data::KnownRows;
use colburn_loss::Loss;
use colburn_model::TextTokenizer;
use colburn_model::card::markdown::{cell, escape, fenced, indented, table};
use colburn_model::card::{CardDataset, HubRepo, NamedDataset, is_repo_id};

use super::columns::{self, Column, STATISTICS};
use super::examples::NamedExamples;

/// A dataset as a card shows it.
pub(super) struct DatasetSection {
    pub dataset: NamedDataset,
    pub loss: LossSection,
    /// None where it is not known.
    rows: Option<usize>,
    /// The number of rows that can be read by their number.
    known: usize,
    columns: Vec<Column>,
}

/// A loss as a card shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LossSection {
    /// The name of its type.
    pub name: &'static str,
    /// Its name in PyLate's cards.
    pub type_name: String,
    /// The work that introduced it, in BibTeX.
    pub citation: Option<&'static str>,
    /// Its settings, with their values as JSON.
    pub settings: Vec<(&'static str, String)>,
}

impl LossSection {
    /// PyLate has a type of its own for the contrastive loss with gradient caching.
    fn new(loss: &dyn Loss, caching: Option<usize>) -> Self {
        let mut settings = loss.settings();
        settings.extend(caching.map(|size| ("mini_batch_size", size.to_string())));
        let cached = caching.is_some() && loss.name() == "contrastive";
        let type_name = if cached { format!("Cached{}", loss.type_name()) } else { loss.type_name().to_owned() };
        Self { name: loss.type_name(), type_name, citation: loss.citation(), settings }
    }

    fn lines(&self) -> String {
        let settings: Vec<String> =
            self.settings.iter().map(|(key, value)| format!("    \"{key}\": {value}")).collect();
        let with = if settings.is_empty() { "" } else { " with these parameters:" };
        let code = format!("{{\n{}\n}}", settings.join(",\n"));
        let code = if settings.is_empty() { String::new() } else { indented(&fenced("json", &code)) };
        format!("* Loss: <code>{}</code>{with}\n{code}", escape(&self.type_name))
    }
}

impl DatasetSection {
    /// Reads the first rows. Rows that cannot be read are left out with a warning, because training reports them better.
    pub fn new(
        tokenizer: &TextTokenizer,
        named: &NamedExamples,
        loss: &dyn Loss,
        caching: Option<usize>,
        described: Option<&CardDataset>,
    ) -> Self {
        let columns = columns::of(&named.examples, tokenizer).unwrap_or_else(|error| {
            tracing::warn!("the model card has no samples of {}: {error}", named.examples.description());
            Vec::new()
        });
        Self {
            dataset: name(named, described),
            loss: LossSection::new(loss, caching),
            rows: named.examples.rows(),
            known: named.examples.len(),
            columns,
        }
    }

    fn markdown(&self, kind: &str) -> String {
        let mut text = format!("\n#### {}\n\n* Dataset: {}", escape(&self.dataset.name), self.dataset.link());
        if let Some(repo) = &self.dataset.repo
            && let (Some(revision), Some(short)) = (&repo.revision, repo.short_revision())
        {
            let id = &repo.id;
            text.push_str(&format!(
                " at [{0}](https://huggingface.co/datasets/{id}/tree/{1})",
                escape(short),
                escape(revision)
            ));
        }
        let rows = self.rows.map_or_else(|| "an unknown number of".to_owned(), thousands);
        text.push_str(&format!("\n* Size: {rows} {} samples\n", kind.to_lowercase()));
        if !self.columns.is_empty() {
            let names: Vec<String> = self.columns.iter().map(|column| cell(&column.name)).collect();
            let header = || names.iter().cloned();
            text.push_str(&format!("* Columns: {}\n", enumerated(&names)));

            let titles: Vec<String> = std::iter::once(String::new()).chain(header()).collect();
            let row = |title: &str, value: &dyn Fn(&Column) -> String| {
                std::iter::once(title.to_owned()).chain(self.columns.iter().map(value)).collect::<Vec<_>>()
            };
            let rows =
                [row("type", &|column| column.r#type.to_owned()), row("details", &|column| column.details.clone())];
            let of = thousands(self.known.min(STATISTICS));
            text.push_str(&format!("* Approximate statistics based on the first {of} samples:\n"));
            text.push_str(&indented(&table(&titles, &rows)));

            let count = self.columns.iter().map(|column| column.samples.len()).max().unwrap_or(0);
            let sample = |at: usize| {
                self.columns.iter().map(|column| column.samples.get(at).cloned().unwrap_or_default()).collect()
            };
            text.push_str("* Samples:\n");
            text.push_str(&indented(&table(&names, &(0..count).map(sample).collect::<Vec<_>>())));
        }
        text.push_str(&self.loss.lines());
        text
    }
}

/// `### Training Dataset`, and a section for each.
pub(super) fn all(kind: &str, sections: &[DatasetSection]) -> String {
    if sections.is_empty() {
        return String::new();
    }
    let several = if sections.len() > 1 { "s" } else { "" };
    let each: String = sections.iter().map(|section| section.markdown(kind)).collect();
    format!("\n### {kind} Dataset{several}\n{each}")
}

/// The descriptions that a person gave of the datasets, if there is one for each.
pub(super) fn matching(described: &[CardDataset], datasets: usize) -> &[CardDataset] {
    if !described.is_empty() && described.len() != datasets {
        tracing::warn!(
            "model card: {} datasets are described, but there are {datasets}; the descriptions are left out",
            described.len()
        );
        return &[];
    }
    described
}

/// The name that a person gave, else the name among several, else that of the repository, else that of the file.
fn name(named: &NamedExamples, described: Option<&CardDataset>) -> NamedDataset {
    let files = match named.examples.known() {
        KnownRows::Texts(_) => named.examples.files(),
        // The first table is the one of the rows.
        KnownRows::Distillation(_) => named.examples.files().into_iter().take(1).collect(),
    };
    let described_id = described.and_then(|described| described.id.clone()).filter(|id| {
        let right = is_repo_id(id);
        if !right {
            tracing::warn!("model card: {id:?} can be no name of a dataset on the hub (`org/name`); it is left out");
        }
        right
    });
    let repo = match described_id {
        Some(id) => Some(HubRepo { id, revision: None }),
        None => files.first().and_then(|file| HubRepo::of(file)),
    };
    let given = Some(named.name.clone()).filter(|name| !name.is_empty());
    let described_name = described.and_then(|described| described.name.clone());
    let name =
        described_name.or(given).or_else(|| repo.as_ref().map(|repo| repo.id.clone())).or_else(|| of_files(&files));
    NamedDataset { name: name.unwrap_or_else(|| "Unnamed Dataset".to_owned()), repo }
}

/// The name of the only file, or of the folder of several. The rest of a path is private.
fn of_files(files: &[PathBuf]) -> Option<String> {
    let path = match files {
        [file] => file.as_path(),
        [first, ..] => first.parent().filter(|folder| folder.file_name().is_some()).unwrap_or(first),
        [] => return None,
    };
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// `a`, `a and b`, `a, b, and c`, as PyLate's cards have it.
fn enumerated(items: &[String]) -> String {
    match items {
        [first, second] => format!("{first} and {second}"),
        [all @ .., last] if !all.is_empty() => format!("{}, and {last}", all.join(", ")),
        items => items.concat(),
    }
}

/// `1,234,567`
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use colburn_data::Dataset;
    use colburn_loss::{Contrastive, Distillation, Score};

    #[test]
    fn numbers_and_names_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        let items = |count: usize| ["a", "b", "c"][..count].iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        assert_eq!([1, 2, 3].map(|count| enumerated(&items(count))), ["a", "a and b", "a, b, and c"]);
    }

    #[test]
    fn a_loss_has_its_settings() {
        let plain = LossSection::new(&Contrastive::default(), None);
        assert_eq!(plain.type_name, "Contrastive");
        assert_eq!(
            plain.lines(),
            "* Loss: <code>Contrastive</code> with these parameters:\n  ```json\n  {\n      \"temperature\": 1.0,\n      \
             \"size_average\": true,\n      \"score_metric\": \"maxsim\"\n  }\n  ```\n"
        );
        let cached = LossSection::new(&Contrastive { score: Score::Xtr { k: 9 }, ..Default::default() }, Some(16));
        assert_eq!(cached.type_name, "CachedContrastive");
        for (key, value) in [("score_metric", "\"xtr\""), ("k", "9"), ("mini_batch_size", "16")] {
            assert!(cached.settings.contains(&(key, value.to_owned())), "{key}");
        }
        assert_eq!(LossSection::new(&Distillation::default(), Some(16)).type_name, "Distillation");
    }

    fn named(name: &str, file: Option<&str>) -> NamedExamples {
        let dir = tempfile::tempdir().unwrap();
        let examples = match file {
            None => Dataset::from_rows(&["query", "positive"], [vec!["a".to_owned(), "b".to_owned()]]).unwrap(),
            Some(file) => {
                let path = dir.path().join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, "query,positive\na,b\n").unwrap();
                Dataset::load(path).unwrap()
            }
        };
        NamedExamples { name: name.to_owned(), examples: examples.into() }
    }

    #[test]
    fn a_dataset_has_a_name() {
        let of = |name_of: &str, file: Option<&str>, described: Option<CardDataset>| {
            let NamedDataset { name, repo } = name(&named(name_of, file), described.as_ref());
            (name, repo.map(|repo| (repo.id, repo.revision)))
        };
        assert_eq!(of("", None, None), ("Unnamed Dataset".to_owned(), None));
        assert_eq!(of("", Some("home/me/train.csv"), None), ("train.csv".to_owned(), None));
        assert_eq!(of("nli", Some("train.csv"), None), ("nli".to_owned(), None));
        let cached = "hub/datasets--org--nli/snapshots/0123456789/data/train.csv";
        let repo = Some(("org/nli".to_owned(), Some("0123456789".to_owned())));
        assert_eq!(of("", Some(cached), None), ("org/nli".to_owned(), repo.clone()));
        assert_eq!(of("a", Some(cached), None), ("a".to_owned(), repo));
        let described = |id: &str| Some(CardDataset { name: Some("NLI".to_owned()), id: Some(id.to_owned()) });
        assert_eq!(of("", None, described("x/y")), ("NLI".to_owned(), Some(("x/y".to_owned(), None))));
        assert_eq!(of("", None, described("x](y")), ("NLI".to_owned(), None));
        let all = [CardDataset::default(), CardDataset::default()];
        assert_eq!((matching(&all, 2).len(), matching(&all, 1).len()), (2, 0));
    }
}
