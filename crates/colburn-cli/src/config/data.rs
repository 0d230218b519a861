//! `[data]`: what is trained on and what the loss is computed on besides. A dataset is a file of texts, or three tables of a
//! distillation; several make `[[data.train]]` or `[[data.eval]]`, each with its name and, where it needs one, its own loss.

use std::collections::HashSet;

use serde::Deserialize;
use toml::{Table, Value};

use super::keys;
use super::loss::LossConfig;
use super::section::{self, Origin};
use crate::Result;

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
    /// What it is told apart by; empty where it is alone.
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

/// The keys of `[data]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Keys {
    train: Option<Value>,
    eval: Option<Value>,
    test_size: Option<f64>,
    queries: Option<String>,
    documents: Option<String>,
    n_ways: Option<usize>,
}

/// The keys of a dataset's own table.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DatasetKeys {
    name: String,
    path: String,
    queries: Option<String>,
    documents: Option<String>,
    n_ways: Option<usize>,
    loss: Option<Value>,
}

/// The keys `queries`, `documents` and `n_ways`, wherever they stand.
#[derive(Clone)]
struct TableKeys(Option<String>, Option<String>, Option<usize>);

impl DataConfig {
    /// Reads a table of keys.
    ///
    /// # Errors
    /// When a key is unknown or contradicts another, or a value has the wrong type.
    pub fn read(table: Table, origin: Origin) -> Result<Self> {
        let Keys { train, eval, test_size, queries, documents, n_ways } = section::read(table, "data", origin)?;
        let beside = TableKeys(queries, documents, n_ways);
        let in_tables = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_str());
        if let (Some(key), true) = (beside.first(), in_tables(&train)) {
            let message =
                "where the datasets have tables of their own, [[data.train]], it belongs into those that it is for";
            return Err(origin.wrong("data", key, message.to_owned()));
        }
        let config = Self {
            train: datasets(train, "train", beside.clone(), origin)?,
            eval: datasets(eval, "eval", beside, origin)?,
            test_size,
        };
        config.check(origin)?;
        Ok(config)
    }

    /// The names of all datasets that have one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.train.iter().chain(&self.eval).map(|dataset| dataset.name.as_str());
        names.filter(|name| !name.is_empty())
    }

    /// The losses that datasets have of their own, each with the section that it stands in.
    pub fn losses(&self) -> impl Iterator<Item = (&'static str, &LossConfig)> {
        let train = self.train.iter().map(|dataset| ("data.train.loss", dataset));
        let eval = self.eval.iter().map(|dataset| ("data.eval.loss", dataset));
        train.chain(eval).filter_map(|(section, dataset)| Some((section, dataset.loss.as_ref()?)))
    }

    fn check(&self, origin: Origin) -> Result<()> {
        if self.test_size.is_some() && !self.eval.is_empty() {
            return Err(origin.wrong("data", "test_size", "there is eval, too; keep one of them".to_owned()));
        }
        if self.test_size.is_some() && self.train.len() > 1 {
            let message = "it holds rows out of one dataset, and there are several; give eval instead";
            return Err(origin.wrong("data", "test_size", message.to_owned()));
        }
        // The trainer's losses belong to names, and an eval dataset has that of the train dataset of its name.
        for eval in self.eval.iter().filter(|eval| eval.loss.is_some()) {
            if self.train.iter().any(|train| train.name == eval.name && train.loss != eval.loss) {
                let which = if eval.name.is_empty() { "without a name".to_owned() } else { format!("{:?}", eval.name) };
                let message = format!("the train dataset {which} has another loss; give this one another name");
                return Err(origin.wrong("data.eval", "loss", message));
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

    fn tables(self, section: &str, origin: Origin) -> Result<Option<Tables>> {
        let missing = |key: &str, other: &str| {
            let message =
                format!("it is missing beside {other}; a distillation has queries, documents, and rows that name them");
            Err(origin.wrong(section, key, message))
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
fn datasets(value: Option<Value>, key: &str, beside: TableKeys, origin: Origin) -> Result<Vec<DatasetConfig>> {
    let section = format!("data.{key}");
    let tables = match value {
        None => return Ok(Vec::new()),
        Some(Value::String(path)) => {
            let tables = beside.tables("data", origin)?;
            return Ok(vec![DatasetConfig { name: String::new(), path, tables, loss: None }]);
        }
        Some(Value::Table(table)) => vec![table],
        Some(Value::Array(array)) if array.iter().all(Value::is_table) => {
            section::tables(Value::Array(array), &section, origin)?
        }
        Some(other) => {
            let message = format!(
                "{} was given; a path is expected, or a table [[{section}]] for each dataset",
                section::kind(&other)
            );
            return Err(origin.wrong("data", key, message));
        }
    };
    let datasets = tables.into_iter().map(|table| dataset(table, &section, origin));
    let datasets = datasets.collect::<Result<Vec<DatasetConfig>>>()?;
    let mut names = HashSet::new();
    match datasets.iter().find(|dataset| !names.insert(&dataset.name)) {
        Some(twice) => Err(origin.same_name(&section, &twice.name)),
        None => Ok(datasets),
    }
}

fn dataset(table: Table, section: &str, origin: Origin) -> Result<DatasetConfig> {
    for key in table.keys() {
        keys::check_key(key, section, section::keys_of::<DatasetKeys>(), origin)?;
    }
    let DatasetKeys { name, path, queries, documents, n_ways, loss } = section::read(table, section, origin)?;
    if path.is_empty() {
        return Err(origin.wrong(
            section,
            "path",
            "it is missing; a file, a pattern or a folder is expected".to_owned(),
        ));
    }
    let loss = match loss {
        None => None,
        Some(Value::Table(table)) => Some(LossConfig::read(table, &format!("{section}.loss"), origin)?),
        Some(other) => {
            let message = format!("{} was given; {{ type = … }} is expected", section::kind(&other));
            return Err(origin.wrong(section, "loss", message));
        }
    };
    let tables = TableKeys(queries, documents, n_ways).tables(section, origin)?;
    Ok(DatasetConfig { name, path, tables, loss })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::loss::Objective;

    fn read(toml: &str) -> Result<DataConfig> {
        DataConfig::read(toml.parse().unwrap(), Origin { file: "RUN.toml", assigned: &[] })
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
        let losses: Vec<_> = data.losses().collect();
        assert!(matches!(
            losses[..],
            [("data.train.loss", LossConfig { objective: Objective::Distillation(_), caching: None })]
        ));
        assert!(data.train[0].tables.is_none() && data.train[1].tables.is_some());
        assert_eq!(read("train = { path = \"a\" }").unwrap().train.len(), 1);
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let two = "[[train]]\nname = \"a\"\npath = \"a\"\n[[train]]\nname = \"b\"\npath = \"b\"";
        for (toml, message) in [
            (
                two.replace("name = \"b\"", "nam = \"b\""),
                "unknown key \"nam\" in [data.train] of RUN.toml; did you mean \"name\"?",
            ),
            (
                two.replace("name = \"b\"", "name = \"a\""),
                "name in [data.train] of RUN.toml: two have the name \"a\"; give each one a `name` of its own",
            ),
            (
                two.replace("name = \"a\"", "").replace("name = \"b\"", ""),
                "name in [data.train] of RUN.toml: two have no name; give each one a `name` of its own",
            ),
            (
                two.replace("path = \"b\"", ""),
                "path in [data.train] of RUN.toml: it is missing; a file, a pattern or a folder is expected",
            ),
            (
                format!("test_size = 0.1\n{two}"),
                "test_size in [data] of RUN.toml: it holds rows out of one dataset, and there are several; give eval instead",
            ),
            (
                format!("n_ways = 4\n{two}"),
                "n_ways in [data] of RUN.toml: where the datasets have tables of their own, [[data.train]], it belongs into those \
                 that it is for",
            ),
            (
                format!("{two}\nloss = \"distillation\""),
                "loss in [data.train] of RUN.toml: a text was given; { type = … } is expected",
            ),
            (
                format!("{two}\nloss = {{ type = \"margin_mse\", k = 0 }}"),
                "k in [data.train.loss] of RUN.toml: it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch",
            ),
            (
                "train = 3".to_owned(),
                "train in [data] of RUN.toml: an integer was given; a path is expected, or a table [[data.train]] for each dataset",
            ),
            (
                "train = \"a\"\nqueries = \"q\"".to_owned(),
                "documents in [data] of RUN.toml: it is missing beside queries; a distillation has queries, documents, and rows \
                 that name them",
            ),
            (
                "train = \"a\"\nn_ways = 4".to_owned(),
                "queries in [data] of RUN.toml: it is missing beside n_ways; a distillation has queries, documents, and rows that \
                 name them",
            ),
            (
                format!("{two}\n[[eval]]\nname = \"a\"\npath = \"e\"\nloss = {{ type = \"margin_mse\" }}"),
                "loss in [data.eval] of RUN.toml: the train dataset \"a\" has another loss; give this one another name",
            ),
        ] {
            assert_eq!(error(&toml), message, "{toml}");
        }
    }
}
