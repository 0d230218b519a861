//! `[data]`: the datasets that are trained on and those that the loss is evaluated on. A dataset is a file of texts, or three tables of a
//! distillation; several are `[[data.train]]` or `[[data.eval]]`, each with its name and, where it needs one, its own loss.

use std::collections::HashSet;

use colburn::eval::EvalRows;
use colburn::loss::LossConfig;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeValue;

use super::loss::{self, Caching};
use super::section::{self, Section};
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
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetConfig {
    /// Tells it apart from others; empty where it is alone.
    pub name: String,
    /// A file, a glob or a folder.
    pub path: String,
    /// The texts that its rows name by id, if it is the data of a distillation.
    pub tables: Option<Tables>,
    pub loss: Option<LossConfig>,
}

/// The other two tables of a distillation.
#[derive(Clone, Debug, PartialEq)]
pub struct Tables {
    pub queries: String,
    pub documents: String,
    pub n_ways: Option<usize>,
}

/// The keys of `[data]` that are read apart: a path or tables.
const DATASETS: [&str; 2] = ["train", "eval"];

/// The other keys of `[data]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Keys {
    test_size: Option<f64>,
    queries: Option<String>,
    documents: Option<String>,
    n_ways: Option<usize>,
}

/// The keys of a dataset's own table, without `loss`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DatasetKeys {
    name: String,
    path: String,
    queries: Option<String>,
    documents: Option<String>,
    n_ways: Option<usize>,
}

/// The keys `queries`, `documents` and `n_ways`, wherever they stand.
#[derive(Clone)]
struct TableKeys(Option<String>, Option<String>, Option<usize>);

impl DataConfig {
    /// Reads `[data]`; the gradient caching of its losses is added to that of the run.
    ///
    /// # Errors
    /// When a key is unknown or contradicts another, or a value has the wrong type.
    pub fn read(section: &Section, caching: &mut Vec<Caching>) -> Result<Self> {
        let Keys { test_size, queries, documents, n_ways } = section.read(&DATASETS)?;
        let tables = TableKeys(queries, documents, n_ways);
        let has_tables = section.get("train").is_some_and(|train| train.get_ref().as_str().is_none());
        if let (Some(key), true) = (tables.first(), has_tables) {
            let message = "the datasets have tables of their own, [[data.train]]; give it in those that need it";
            return Err(section.wrong(key, message));
        }
        let train = datasets(section, "train", &tables, caching)?;
        let eval = datasets(section, "eval", &tables, caching)?;
        let config = Self { train, eval, test_size };
        config.check(section)?;
        Ok(config)
    }

    /// True if `[data]` has a key.
    pub fn has_key(key: &str) -> bool {
        DATASETS.contains(&key) || section::has_key(key, Keys::deserialize)
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

impl TableKeys {
    /// The first of the keys that is there.
    fn first(&self) -> Option<&'static str> {
        let keys = [("queries", self.0.is_some()), ("documents", self.1.is_some()), ("n_ways", self.2.is_some())];
        keys.into_iter().find_map(|(key, given)| given.then_some(key))
    }

    fn tables(self, section: &Section) -> Result<Option<Tables>> {
        let missing = |key: &str, other: &str| {
            let expected = "a distillation has queries, documents, and rows that name them";
            let message = format!("{key} in [{}]: {other} is given without it; {expected}", section.name());
            Err(Error::Run { place: section.place(other), message })
        };
        match self {
            Self(None, None, None) => Ok(None),
            Self(Some(queries), Some(documents), n_ways) => Ok(Some(Tables { queries, documents, n_ways })),
            Self(None, Some(_), _) => missing("queries", "documents"),
            Self(Some(_), None, _) => missing("documents", "queries"),
            Self(None, None, Some(_)) => missing("queries", "n_ways"),
        }
    }
}

/// The datasets of `train` or `eval`: a path, one table, or an array of them.
fn datasets(data: &Section, key: &str, tables: &TableKeys, caching: &mut Vec<Caching>) -> Result<Vec<DatasetConfig>> {
    let name = format!("data.{key}");
    let value = data.get(key).cloned();
    let sections = match value.as_ref().map(Spanned::get_ref) {
        None => return Ok(Vec::new()),
        Some(DeValue::String(path)) => {
            let tables = tables.clone().tables(data)?;
            return Ok(vec![DatasetConfig { name: String::new(), path: path.to_string(), tables, loss: None }]);
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
    let DatasetKeys { name, path, queries, documents, n_ways } = section.read(&["loss"])?;
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
    let tables = TableKeys(queries, documents, n_ways).tables(section)?;
    Ok(DatasetConfig { name, path, tables, loss })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{run_text, section};
    use super::*;

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
        let texts = |path: &str| DatasetConfig { name: String::new(), path: path.to_owned(), tables: None, loss: None };
        assert_eq!((data.train, data.eval), (vec![texts("train.jsonl")], vec![texts("eval.jsonl")]));
    }

    #[test]
    fn a_distillation_has_three_tables_for_training_and_for_evaluation() {
        let data = read("train = \"a\"\neval = \"b\"\nqueries = \"q\"\ndocuments = \"d\"\nn_ways = 8").unwrap();
        let tables = Some(Tables { queries: "q".to_owned(), documents: "d".to_owned(), n_ways: Some(8) });
        assert_eq!((&data.train[0].tables, &data.eval[0].tables), (&tables, &tables));
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
                format!("{two}\n[[eval]]\nname = \"a\"\npath = \"e\"\nloss = {{ type = \"margin_mse\" }}"),
                "RUN.toml:7: loss in [data.eval]: the train dataset \"a\" has another loss; give this one another name",
            ),
        ] {
            assert_eq!(error(&toml), message, "{toml}");
        }
    }
}
