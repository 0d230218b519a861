//! `[data]`: the datasets that are trained on and those that the loss is evaluated on. A dataset is a file of texts, or three tables of a
//! distillation; several are `[[data.train]]` or `[[data.eval]]`, each with its name and, where it needs one, its own loss.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use colburn::data::{Roles, RowOptions, ShortRows, Source};
use colburn::eval::EvalRows;
use colburn::loss::LossConfig;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::loss::{self, Caching};
use super::section::{self, Section};
use crate::file_format::FormatConfig;
use crate::{Error, Result};

/// The data of a run.
#[derive(Debug)]
pub struct DataConfig {
    pub train: Vec<DatasetConfig>,
    pub eval: Vec<DatasetConfig>,
    /// Below 1 the share of the training rows that is held out, from 1 their number.
    pub test_size: Option<f64>,
}

/// One dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetConfig {
    /// Tells it apart from others; empty where it is alone.
    pub name: String,
    /// A file, a pattern, a folder, or a name on the hub.
    pub path: String,
    pub format: FormatConfig,
    pub options: RowOptions,
    /// `columns`: the roles that no names say.
    pub roles: Option<Roles>,
    /// The texts that its rows name by id, if it is the data of a distillation.
    pub tables: Option<Tables>,
    /// The number of rows of the shuffle buffer, if its rows are streamed.
    pub streaming: Option<usize>,
    pub loss: Option<LossConfig>,
}

/// The other two tables of a distillation.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    pub queries: String,
    pub documents: String,
    pub n_ways: Option<usize>,
}

/// The roles of columns, in a table of their own.
const COLUMNS: &str = "columns";
/// The keys of each part of a dataset.
const FORMAT: &[&str] = &["format", "delimiter", "column_names", "split"];
const OPTIONS: &[&str] = &["positives", "n_negatives", "short_rows", "missing"];
const TABLES: &[&str] = &["queries", "documents", "n_ways"];
const STREAM: &[&str] = &["streaming", "buffer_size"];
/// The rows of a shuffle buffer if their number is not given, as in `datasets`.
const BUFFER_SIZE: usize = 1000;
/// The keys of `[data]` and of a dataset's own table alone.
const OWN_OF_DATA: &[&str] = &["train", "eval", "test_size"];
const OWN_OF_DATASET: &[&str] = &["name", "path", "loss"];

/// The key of `[data]` that belongs to no dataset.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DataKeys {
    test_size: Option<f64>,
}

/// The keys of a dataset's own table, without `loss`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatasetKeys {
    name: String,
    path: String,
}

/// The keys of the tables of a distillation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TableKeys {
    queries: Option<String>,
    documents: Option<String>,
    n_ways: Option<usize>,
}

/// The keys of rows that are streamed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StreamKeys {
    streaming: bool,
    buffer_size: Option<NonZeroUsize>,
}

/// The keys that a dataset has, in `[data]` or in a table of its own.
#[derive(Clone, Debug, Default)]
struct SharedKeys {
    format: FormatConfig,
    options: RowOptions,
    roles: Option<Roles>,
    tables: Option<Tables>,
    streaming: Option<usize>,
}

impl DataConfig {
    /// Reads `[data]`; the gradient caching of its losses is added to that of the run.
    ///
    /// # Errors
    /// When a key is unknown or contradicts another, or a value has the wrong type.
    pub fn read(section: &Section, caching: &mut Vec<Caching>) -> Result<Self> {
        let DataKeys { test_size } = section.read(&without(OWN_OF_DATA, &["test_size"]))?;
        let has_tables = section.get("train").is_some_and(|train| train.get_ref().as_str().is_none());
        let shared = [FORMAT, OPTIONS, TABLES, STREAM, &[COLUMNS]].concat();
        if let (Some(key), true) = (shared.iter().find(|key| section.get(key).is_some()), has_tables) {
            let message = "the datasets have tables of their own, [[data.train]]; give it in those that need it";
            return Err(section.wrong(key, message));
        }
        let shared = SharedKeys::read(section, OWN_OF_DATA)?;
        let train = datasets(section, "train", &shared, caching)?;
        // An evaluation reads its rows whole.
        let shared = SharedKeys { streaming: None, ..shared };
        let eval = datasets(section, "eval", &shared, caching)?;
        let config = Self { train, eval, test_size };
        config.check(section)?;
        Ok(config)
    }

    /// True if `[data]` has a key.
    pub fn has_key(key: &str) -> bool {
        [OWN_OF_DATA, FORMAT, OPTIONS, TABLES, STREAM, &[COLUMNS]].concat().contains(&key)
    }

    /// The kinds of the datasets that are evaluated on: those of `eval`, or the rows that are held out.
    pub fn eval_rows(&self) -> Vec<EvalRows> {
        let eval = if self.test_size.is_some() { &self.train } else { &self.eval };
        let kind = |dataset: &DatasetConfig| match dataset.tables {
            Some(_) => EvalRows::Scores,
            None => EvalRows::Texts,
        };
        eval.iter().map(kind).collect()
    }

    fn check(&self, section: &Section) -> Result<()> {
        if self.test_size.is_some() && !self.eval.is_empty() {
            return Err(section.wrong("test_size", "there is eval, too; keep one of them"));
        }
        let streams = |dataset: &DatasetConfig| dataset.streaming.is_some();
        if self.eval.iter().any(streams) {
            return Err(
                section.wrong("eval", "streaming is given for it, but an evaluation reads all rows; leave it out")
            );
        }
        if self.test_size.is_some() && self.train.iter().any(streams) {
            let message = "it holds rows out of a dataset, but that is streamed; give eval instead";
            return Err(section.wrong("test_size", message));
        }
        if self.train.len() > 1 && self.train.iter().any(streams) {
            let message = "streaming is given for one of several; their batches are mixed by their numbers of rows, so leave it out";
            return Err(section.wrong("train", message));
        }
        if self.test_size.is_some() && self.train.len() > 1 {
            let message = "it holds rows out of one dataset, and there are several; give eval instead";
            return Err(section.wrong("test_size", message));
        }
        // The trainer's losses belong to names, and an eval dataset has that of the train dataset of its name.
        for eval in self.eval.iter().filter(|eval| eval.loss.is_some()) {
            if self.train.iter().any(|train| train.name == eval.name && train.loss != eval.loss) {
                let which = if eval.name.is_empty() { "without a name".to_owned() } else { format!("{:?}", eval.name) };
                let message = format!(
                    "loss in [data.eval]: the train dataset {which} has another loss; give this one another name"
                );
                return Err(Error::Run { place: section.place("eval"), message });
            }
        }
        Ok(())
    }
}

/// The names of all keys of a dataset but those of one part, which are read apart.
fn without(own: &[&'static str], part: &[&str]) -> Vec<&'static str> {
    let all = [own, FORMAT, OPTIONS, TABLES, STREAM, &[COLUMNS]].concat();
    all.into_iter().filter(|key| !part.contains(key)).collect()
}

impl SharedKeys {
    /// `own` are the other keys of the section.
    fn read(section: &Section, own: &[&'static str]) -> Result<Self> {
        let format = section.read(&without(own, FORMAT))?;
        let options: RowOptions = section.read(&without(own, OPTIONS))?;
        let tables = section.read::<TableKeys>(&without(own, TABLES))?.tables(section)?;
        let roles = match section.get(COLUMNS) {
            None => None,
            Some(table) if table.get_ref().is_table() => {
                let columns = format!("{}.{COLUMNS}", section.name());
                Some(Section::new(section.run_text(), &columns, Some(table.clone()))?.read(&[])?)
            }
            Some(other) => {
                let given = section::kind(other.get_ref());
                return Err(
                    section.wrong(COLUMNS, format!("{given} was given; {{ query = …, positive = … }} is expected"))
                );
            }
        };
        let of_texts = ["positives", "n_negatives", "short_rows", COLUMNS];
        if let (Some(_), Some(key)) = (&tables, of_texts.iter().find(|key| section.get(key).is_some())) {
            let message =
                "it is about rows that hold their texts, but with queries and documents the rows name them by ids";
            return Err(section.wrong(key, message));
        }
        let StreamKeys { streaming, buffer_size } = section.read(&without(own, STREAM))?;
        if let (Some(_), true) = (&tables, streaming) {
            let message =
                "the rows name their texts by ids, which are looked up in tables that are read whole; leave it out";
            return Err(section.wrong("streaming", message));
        }
        if buffer_size.is_some() && !streaming {
            return Err(section.wrong("buffer_size", "it goes with streaming = true"));
        }
        let streaming = streaming.then(|| buffer_size.map_or(BUFFER_SIZE, NonZeroUsize::get));
        if options.short_rows != ShortRows::Error && options.n_negatives.is_none() {
            return Err(section.wrong("short_rows", "it goes with n_negatives, the number of negatives of each row"));
        }
        Ok(Self { format, options, roles, tables, streaming })
    }

    fn dataset(self, name: String, path: String, loss: Option<LossConfig>) -> DatasetConfig {
        let Self { format, options, roles, tables, streaming } = self;
        DatasetConfig { name, path, format, options, roles, tables, streaming, loss }
    }
}

impl TableKeys {
    fn tables(self, section: &Section) -> Result<Option<Tables>> {
        let missing = |key: &str, other: &str| {
            let expected = "a distillation has queries, documents, and rows that name them";
            let message = format!("{key} in [{}]: {other} is given without it; {expected}", section.name());
            Err(Error::Run { place: section.place(other), message })
        };
        match self {
            Self { queries: None, documents: None, n_ways: None } => Ok(None),
            Self { queries: Some(queries), documents: Some(documents), n_ways } => {
                Ok(Some(Tables { queries, documents, n_ways }))
            }
            Self { queries: None, documents: Some(_), .. } => missing("queries", "documents"),
            Self { queries: Some(_), documents: None, .. } => missing("documents", "queries"),
            Self { queries: None, documents: None, n_ways: Some(_) } => missing("queries", "n_ways"),
        }
    }
}

impl DatasetConfig {
    /// The place and the form of its rows.
    pub fn source(&self) -> Source {
        self.format.clone().source(&self.path)
    }
}

/// The datasets of `train` or `eval`: a path, one table, or an array of them.
fn datasets(data: &Section, key: &str, shared: &SharedKeys, caching: &mut Vec<Caching>) -> Result<Vec<DatasetConfig>> {
    let name = format!("data.{key}");
    let value = data.get(key).cloned();
    let sections = match value.as_ref().map(Spanned::get_ref) {
        None => return Ok(Vec::new()),
        Some(DeValue::String(path)) => {
            return Ok(vec![shared.clone().dataset(String::new(), path.to_string(), None)]);
        }
        Some(DeValue::Table(_)) => vec![Section::new(data.run_text(), &name, value)?],
        Some(DeValue::Array(array)) if array.iter().all(|one| one.get_ref().is_table()) => {
            Section::array(data.run_text(), &name, value)?
        }
        Some(other) => {
            let given = section::kind(other);
            let expected = format!("a path is expected, or a table [[{name}]] for each dataset");
            return Err(data.wrong(key, format!("{given} was given; {expected}")));
        }
    };
    let mut names = HashSet::new();
    let mut datasets = Vec::new();
    for section in &sections {
        let dataset = dataset(section, caching)?;
        if !names.insert(dataset.name.clone()) {
            let name = &dataset.name;
            let which = if name.is_empty() { "no name".to_owned() } else { format!("the name {name:?}") };
            return Err(section.wrong("name", format!("two have {which}; give each one a `name` of its own")));
        }
        datasets.push(dataset);
    }
    Ok(datasets)
}

fn dataset(section: &Section, caching: &mut Vec<Caching>) -> Result<DatasetConfig> {
    let DatasetKeys { name, path } = section.read(&without(OWN_OF_DATASET, &["name", "path"]))?;
    if path.is_empty() {
        return Err(section.wrong("path", "it is missing; a file, a pattern or a folder is expected"));
    }
    let loss = match section.get("loss") {
        None => None,
        Some(table) if table.get_ref().is_table() => {
            let own = Section::new(section.run_text(), &format!("{}.loss", section.name()), Some(table.clone()))?;
            Some(loss::read(&own, caching)?)
        }
        Some(other) => {
            let given = section::kind(other.get_ref());
            return Err(section.wrong("loss", format!("{given} was given; {{ type = … }} is expected")));
        }
    };
    Ok(SharedKeys::read(section, OWN_OF_DATASET)?.dataset(name, path, loss))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{run_text, section};
    use super::*;
    use crate::file_format::FormatName;
    use colburn::data::{Format, Missing, Positives};

    fn read(toml: &str) -> Result<DataConfig> {
        let run_text = run_text(toml);
        DataConfig::read(&section(&run_text, "data"), &mut Vec::new())
    }

    fn error(toml: &str) -> String {
        read(toml).unwrap_err().to_string()
    }

    #[test]
    fn a_path_is_a_dataset() {
        let data = read("train = \"train.jsonl\"\neval = \"eval.jsonl\"").unwrap();
        let texts = |path: &str| DatasetConfig { path: path.to_owned(), ..DatasetConfig::default() };
        assert_eq!((data.train, data.eval), (vec![texts("train.jsonl")], vec![texts("eval.jsonl")]));
    }

    #[test]
    fn a_distillation_has_three_tables_for_training_and_for_evaluation() {
        let data = read("train = \"a\"\neval = \"b\"\nqueries = \"q\"\ndocuments = \"d\"\nn_ways = 8").unwrap();
        let tables = Some(Tables { queries: "q".to_owned(), documents: "d".to_owned(), n_ways: Some(8) });
        assert_eq!((&data.train[0].tables, &data.eval[0].tables), (&tables, &tables));
    }

    #[test]
    fn rows_for_training_are_streamed() {
        let streaming = |toml: &str| read(toml).unwrap().train[0].streaming;
        assert_eq!(streaming("train = \"a\""), None);
        assert_eq!(streaming("train = \"a\"\nstreaming = true"), Some(1000));
        assert_eq!(streaming("[[train]]\npath = \"a\"\nstreaming = true\nbuffer_size = 5"), Some(5));
        let data = read("train = \"a\"\neval = \"b\"\nstreaming = true").unwrap();
        assert_eq!((data.train[0].streaming, data.eval[0].streaming), (Some(1000), None));
        for (toml, expected) in [
            ("train = \"a\"\nbuffer_size = 5", "it goes with streaming = true"),
            ("train = \"a\"\nstreaming = true\nbuffer_size = 0", "buffer_size"),
            ("train = \"a\"\nstreaming = true\ntest_size = 0.1", "but that is streamed; give eval instead"),
            ("train = \"a\"\nqueries = \"q\"\ndocuments = \"d\"\nstreaming = true", "tables that are read whole"),
            ("train = \"a\"\n[[eval]]\npath = \"b\"\nstreaming = true", "an evaluation reads all rows"),
            (
                "[[train]]\nname = \"a\"\npath = \"a\"\nstreaming = true\n[[train]]\nname = \"b\"\npath = \"b\"",
                "streaming is given for one of several",
            ),
        ] {
            let message = error(toml);
            assert!(message.contains(expected), "{message}\nexpected: {expected}");
        }
    }

    #[test]
    fn several_datasets_have_names_and_losses() {
        let one = "[[train]]\nname = \"a\"\npath = \"a.jsonl\"\n[[eval]]\npath = \"e.jsonl\"";
        let data = read(one).unwrap();
        assert_eq!((data.train[0].name.as_str(), data.eval[0].name.as_str()), ("a", ""));
        let data = read(
            "[[train]]\nname = \"a\"\npath = \"a\"\n[[train]]\nname = \"b\"\npath = \"b\"\nqueries = \"q\"\ndocuments = \"d\"\n\
             loss = { type = \"distillation\" }",
        )
        .unwrap();
        assert!(data.train[0].loss.is_none() && matches!(data.train[1].loss, Some(LossConfig::Distillation(_))));
        assert!(data.train[0].tables.is_none() && data.train[1].tables.is_some());
        assert_eq!(read("train = { path = \"a\" }").unwrap().train.len(), 1);
    }

    #[test]
    fn rows_have_roles_options_and_a_format() {
        let keys = "positives = \"each\"\nn_negatives = 2\nshort_rows = \"repeat\"\nmissing = \"skip\"\ndelimiter = \"|\"\nsplit = \"dev\"\n\
                    column_names = [\"q\", \"p\"]\nformat = \"csv\"\ncolumns = { query = \"q\", positive = \"p\", drop = [\"title\"] }";
        let expected = DatasetConfig {
            path: "a".to_owned(),
            options: RowOptions {
                positives: Positives::Each,
                n_negatives: NonZeroUsize::new(2),
                short_rows: ShortRows::Repeat,
                missing: Missing::Skip,
            },
            roles: Some(Roles {
                query: Some("q".to_owned()),
                positive: vec!["p".to_owned()],
                drop: vec!["title".to_owned()],
                ..Roles::default()
            }),
            format: FormatConfig {
                format: Some(FormatName::Csv),
                delimiter: Some('|'),
                column_names: Some(vec!["q".to_owned(), "p".to_owned()]),
                split: Some("dev".to_owned()),
            },
            ..DatasetConfig::default()
        };
        assert_eq!(read(&format!("train = \"a\"\n{keys}")).unwrap().train, std::slice::from_ref(&expected));
        let table = read(&format!("[[train]]\npath = \"a\"\n{keys}")).unwrap().train;
        assert_eq!(table, std::slice::from_ref(&expected));
        let names = vec!["q".to_owned(), "p".to_owned()];
        let source =
            Source::new("a").with_format(Format::Csv).with_delimiter('|').with_column_names(names).with_split("dev");
        assert_eq!(expected.source(), source);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let two = "[[train]]\nname = \"a\"\npath = \"a\"\n[[train]]\nname = \"b\"\npath = \"b\"";
        for (toml, message) in [
            (
                two.replace("name = \"b\"", "nam = \"b\""),
                "RUN.toml:5: unknown key \"nam\" in [data.train]; did you mean \"name\"?",
            ),
            (
                two.replace("name = \"b\"", "name = \"a\""),
                "RUN.toml:5: name in [data.train]: two have the name \"a\"; give each one a `name` of its own",
            ),
            (
                two.replace("name = \"a\"", "").replace("name = \"b\"", ""),
                "RUN.toml:4: name in [data.train]: two have no name; give each one a `name` of its own",
            ),
            (
                two.replace("path = \"b\"", ""),
                "RUN.toml:4: path in [data.train]: it is missing; a file, a pattern or a folder is expected",
            ),
            (
                format!("test_size = 0.1\n{two}"),
                "RUN.toml:1: test_size in [data]: it holds rows out of one dataset, and there are several; give eval instead",
            ),
            (
                format!("n_ways = 4\n{two}"),
                "RUN.toml:1: n_ways in [data]: the datasets have tables of their own, [[data.train]]; give it in those that need it",
            ),
            (
                format!("{two}\nloss = \"distillation\""),
                "RUN.toml:7: loss in [data.train]: a text was given; { type = … } is expected",
            ),
            (
                format!("{two}\nloss = {{ type = \"margin_mse\", k = 0 }}"),
                "RUN.toml:7: [data.train.loss] k: it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch",
            ),
            (
                "train = 3".to_owned(),
                "RUN.toml:1: train in [data]: an integer was given; a path is expected, or a table [[data.train]] for each dataset",
            ),
            (
                "train = \"a\"\nqueries = \"q\"".to_owned(),
                "RUN.toml:2: documents in [data]: queries is given without it; a distillation has queries, documents, and rows that \
                 name them",
            ),
            (
                "train = \"a\"\nn_ways = 4".to_owned(),
                "RUN.toml:2: queries in [data]: n_ways is given without it; a distillation has queries, documents, and rows that \
                 name them",
            ),
            (
                "train = \"a\"\nn_negatives = 0".to_owned(),
                "RUN.toml:2: n_negatives in [data]: invalid value: integer `0`, expected a whole number from 1",
            ),
            (
                "train = \"a\"\npositives = \"last\"".to_owned(),
                "RUN.toml:2: positives in [data]: \"last\" is not supported; supported: error, first, each",
            ),
            (
                "train = \"a\"\nshort_rows = \"drop\"".to_owned(),
                "RUN.toml:2: short_rows in [data]: it goes with n_negatives, the number of negatives of each row",
            ),
            (
                "train = \"a\"\nn_negative = 3".to_owned(),
                "RUN.toml:2: unknown key \"n_negative\" in [data]; did you mean \"n_negatives\"?",
            ),
            (
                "train = \"a\"\n[columns]\nnegative = \"n\"".to_owned(),
                "RUN.toml:3: unknown key \"negative\" in [data.columns]; did you mean \"negatives\"?",
            ),
            (
                "train = \"a\"\ncolumns = \"n\"".to_owned(),
                "RUN.toml:2: columns in [data]: a text was given; { query = …, positive = … } is expected",
            ),
            (
                "train = \"a\"\nqueries = \"q\"\ndocuments = \"d\"\nn_negatives = 2".to_owned(),
                "RUN.toml:4: n_negatives in [data]: it is about rows that hold their texts, but with queries and documents the rows name them \
                 by ids",
            ),
            (
                format!("columns = {{ query = \"q\" }}\n{two}"),
                "RUN.toml:1: columns in [data]: the datasets have tables of their own, [[data.train]]; give it in those that need it",
            ),
            (
                format!("{two}\n[[eval]]\nname = \"a\"\npath = \"e\"\nloss = {{ type = \"margin_mse\" }}"),
                "RUN.toml:7: loss in [data.eval]: the train dataset \"a\" has another loss; give this one another name",
            ),
        ] {
            assert_eq!(error(&toml), message, "{toml}");
        }
    }
}
