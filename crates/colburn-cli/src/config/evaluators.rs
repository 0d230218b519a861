//! `[[evaluators]]`: what else the model is measured by. The keys are the arguments of PyLate's and sentence-transformers' classes.

use colburn::eval::PerCollection;
use serde::Deserialize;
use toml::{Table, Value};

use super::data::DataConfig;
use super::keys;
use super::section::{self, Origin};
use crate::{Error, Result};

/// What the evaluators that retrieve have in common.
const RETRIEVAL: [&str; 7] = [
    "accuracy_at_k",
    "precision_recall_at_k",
    "mrr_at_k",
    "ndcg_at_k",
    "map_at_k",
    "corpus_chunk_size",
    "write_predictions",
];

/// What `type` may name, and the keys that go with it, besides `type`, `batch_size` and for retrieval [`RETRIEVAL`].
const EVALUATORS: [(&str, &[&str]); 5] = [
    ("triplet", &["name", "path"]),
    ("nano_beir", &["dataset_names", "path", "query_prompts", "corpus_prompts", "query_lengths"]),
    (
        "information_retrieval",
        &[
            "name",
            "path",
            "split",
            "queries",
            "corpus",
            "qrels",
            "query_prompt",
            "corpus_prompt",
            "query_length",
            "document_length",
        ],
    ),
    ("distillation", &["name", "path", "queries", "documents", "n_ways", "normalize_scores"]),
    ("reranking", &["name", "path", "at_k"]),
];

/// One of `[[evaluators]]`: the keys of all kinds, of which those that its `type` has may be given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EvaluatorConfig {
    pub r#type: String,
    /// Part of the name of its CSV file and of its metrics.
    pub name: String,
    /// Its rows or folder; the rows of the eval dataset, or the local cache of the hub, if not given.
    pub path: Option<String>,
    /// Texts that are encoded at once; `per_device_eval_batch_size` if not given.
    pub batch_size: Option<usize>,

    pub dataset_names: Option<Vec<String>>,
    pub query_prompts: Option<PerCollection<String>>,
    pub corpus_prompts: Option<PerCollection<String>>,
    pub query_lengths: Option<PerCollection<usize>>,

    pub split: Option<String>,
    pub queries: Option<String>,
    pub corpus: Option<String>,
    pub qrels: Option<String>,
    pub query_prompt: Option<String>,
    pub corpus_prompt: Option<String>,
    pub query_length: Option<usize>,
    pub document_length: Option<usize>,

    pub documents: Option<String>,
    pub n_ways: Option<usize>,
    pub normalize_scores: Option<bool>,

    pub at_k: Option<usize>,

    pub accuracy_at_k: Option<Vec<usize>>,
    pub precision_recall_at_k: Option<Vec<usize>>,
    pub mrr_at_k: Option<Vec<usize>>,
    pub ndcg_at_k: Option<Vec<usize>>,
    pub map_at_k: Option<Vec<usize>>,
    pub corpus_chunk_size: Option<usize>,
    pub write_predictions: Option<bool>,
}

impl EvaluatorConfig {
    /// Reads the tables of the section.
    ///
    /// # Errors
    /// When a type is unknown or does not have a key, names do not tell evaluators apart, or one has no rows.
    pub fn read(value: Option<Value>, data: &DataConfig, origin: Origin) -> Result<Vec<Self>> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let tables = section::tables(value, "evaluators", origin)?;
        let evaluators = tables.into_iter().map(|table| Self::read_one(table, data, origin));
        let evaluators = evaluators.collect::<Result<Vec<Self>>>()?;
        // Collections without a name of their own have that of their folder.
        let named = |one: &Self| one.r#type != "information_retrieval" || !one.name.is_empty() || one.path.is_none();
        for (at, one) in evaluators.iter().enumerate().filter(|(_, one)| named(one)) {
            if evaluators[..at].iter().any(|other| (&other.r#type, &other.name) == (&one.r#type, &one.name)) {
                return Err(match one.r#type.as_str() {
                    "nano_beir" => {
                        let message = "two are \"nano_beir\"; name all collections in one of them";
                        origin.wrong("evaluators", "type", message.to_owned())
                    }
                    _ => origin.same_name("evaluators", &one.name),
                });
            }
        }
        Ok(evaluators)
    }

    fn read_one(table: Table, data: &DataConfig, origin: Origin) -> Result<Self> {
        let given: Vec<String> = table.keys().cloned().collect();
        for key in &given {
            keys::check_key(key, "evaluators", section::keys_of::<Self>(), origin)?;
        }
        let config: Self = section::read(table, "evaluators", origin)?;
        origin.one_of("evaluators", "type", &config.r#type, &EVALUATORS.map(|(name, _)| name))?;
        config.check_keys(&given, origin)?;
        if config.name.contains(['/', '\\']) {
            let message = format!("{:?} becomes part of a file's name and cannot hold / or \\", config.name);
            return Err(origin.wrong("evaluators", "name", message));
        }
        config.check_rows(data, origin)?;
        Ok(config)
    }

    /// Whether its type has all the keys that were given.
    fn check_keys(&self, given: &[String], origin: Origin) -> Result<()> {
        let own = EVALUATORS.iter().find(|(name, _)| *name == self.r#type).map_or(&[][..], |(_, own)| own);
        let retrieval: &[&str] = if self.retrieves() { &RETRIEVAL } else { &[] };
        let mut known: Vec<&str> = ["type", "batch_size"].iter().chain(own).chain(retrieval).copied().collect();
        let Some(key) = given.iter().find(|key| !known.contains(&key.as_str())) else { return Ok(()) };
        known.sort_unstable();
        Err(Error::UnknownKey {
            key: key.clone(),
            place: format!("in [evaluators] of {}", origin.of("evaluators", key)),
            hint: format!("the evaluator {:?} has the keys {}", self.r#type, known.join(", ")),
        })
    }

    fn retrieves(&self) -> bool {
        matches!(self.r#type.as_str(), "nano_beir" | "information_retrieval")
    }

    /// Whether it is said where the rows come from, and only once.
    fn check_rows(&self, data: &DataConfig, origin: Origin) -> Result<()> {
        let wrong = |key: &str, message: String| Err(origin.wrong("evaluators", key, message));
        let files = [("queries", &self.queries), ("corpus", &self.corpus), ("qrels", &self.qrels)];
        match self.r#type.as_str() {
            "information_retrieval" => {
                let (named, missing): (Vec<_>, Vec<_>) = files.iter().partition(|(_, file)| file.is_some());
                if let (None, Some(split)) = (&self.path, &self.split) {
                    let message = format!(
                        "{split:?}, but it is one of a folder's; without path, qrels names the file of a split"
                    );
                    return wrong("split", message);
                }
                match (&self.path, named.first(), missing.first()) {
                    (None, None, _) => wrong(
                        "path",
                        "it is missing: a folder in BEIR's or NanoBEIR's layout, or files as queries, corpus and qrels"
                            .to_owned(),
                    ),
                    (None, Some(_), Some((key, _))) => {
                        wrong(key, "it is missing; queries, corpus and qrels go together".to_owned())
                    }
                    (Some(_), Some((key, _)), _) => {
                        wrong(key, "path names a folder that has it already; leave one of them out".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            "distillation" => match (&self.path, &self.queries, &self.documents) {
                (Some(_), Some(_), Some(_)) => Ok(()),
                (None, None, None) => scored_rows(data).map_or(Ok(()), |problem| wrong("path", problem.to_owned())),
                _ => wrong("path", "path, queries and documents go together, as in [data]".to_owned()),
            },
            "triplet" | "reranking" if self.path.is_none() => match text_rows(data) {
                Some(problem) => wrong("path", format!("it is missing, and {problem}")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Why an evaluator cannot take texts from the eval dataset.
fn text_rows(data: &DataConfig) -> Option<&'static str> {
    let eval = if data.test_size.is_some() { &data.train } else { &data.eval };
    match eval.as_slice() {
        [] => Some("there is no eval data to take the rows from: give [data] eval or test_size, or path here"),
        [one] if one.tables.is_some() => {
            Some("the eval data holds a teacher's scores; rows of query, positive and negative are expected")
        }
        [_] => None,
        _ => Some("there are several eval datasets; rows of query, positive and negative are expected"),
    }
}

/// Why an evaluator cannot take a teacher's scores from the eval dataset.
fn scored_rows(data: &DataConfig) -> Option<&'static str> {
    let eval = if data.test_size.is_some() { &data.train } else { &data.eval };
    match eval.as_slice() {
        [one] if one.tables.is_some() => None,
        [_, _, ..] => Some("it is missing, and there are several eval datasets: give path, queries and documents"),
        _ => Some(
            "it is missing, and the eval data is no teacher's scores: give path, queries and documents as in [data]",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RunConfig;

    const RUN: &str = "[model]\nname_or_path = \"m\"\n[data]\ntrain = \"t.jsonl\"\n";

    fn read(evaluators: &str) -> Result<Vec<EvaluatorConfig>> {
        RunConfig::parse(&format!("{RUN}{evaluators}"), "RUN.toml", &[]).map(|run| run.evaluators)
    }

    fn error(keys: &str) -> String {
        let message = read(&format!("[[evaluators]]\n{keys}\n")).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn every_kind_has_its_keys() {
        let evaluators = read(
            "[[evaluators]]\ntype = \"nano_beir\"\ndataset_names = [\"SciFact\"]\npath = \"nano\"\nquery_prompts = \"query: \"\n\
             query_lengths = { SciFact = 48 }\nndcg_at_k = [5, 10]\nwrite_predictions = true\n\
             [[evaluators]]\ntype = \"information_retrieval\"\npath = \"beir/scifact\"\nsplit = \"test\"\nquery_length = 48\n\
             [[evaluators]]\ntype = \"information_retrieval\"\nname = \"own\"\nqueries = \"q\"\ncorpus = \"c\"\nqrels = \"r\"\n\
             [[evaluators]]\ntype = \"distillation\"\npath = \"t\"\nqueries = \"q\"\ndocuments = \"d\"\nnormalize_scores = false\n\
             [[evaluators]]\ntype = \"reranking\"\npath = \"r.jsonl\"\nat_k = 5\nbatch_size = 4\n\
             [[evaluators]]\ntype = \"triplet\"\npath = \"t.jsonl\"\n",
        );
        let evaluators = evaluators.unwrap();
        assert_eq!(evaluators.len(), 6);
        assert!(matches!(&evaluators[0].query_prompts, Some(PerCollection::All(prompt)) if prompt == "query: "));
        assert!(matches!(&evaluators[0].query_lengths, Some(PerCollection::Each(each)) if each["SciFact"] == 48));
        assert_eq!((evaluators[4].at_k, evaluators[4].batch_size), (Some(5), Some(4)));
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        assert_eq!(
            error("type = \"triplet\"\npath = \"t\"\nat_k = 5"),
            "unknown key \"at_k\" in [evaluators] of RUN.toml; the evaluator \"triplet\" has the keys batch_size, name, path, type"
        );
        assert!(error("type = \"nano_beir\"\nquery_prompt = \"q\"").contains("dataset_names, map_at_k, mrr_at_k"));
        assert_eq!(
            error("type = \"nano_bier\""),
            "type in [evaluators] of RUN.toml: \"nano_bier\" is not supported; supported: triplet, nano_beir, \
             information_retrieval, distillation, reranking"
        );
        assert!(error("type = \"nano_beir\"\nquery_lengths = \"long\"").contains("query_lengths in [evaluators]"));
    }

    #[test]
    fn rows_are_named_once() {
        assert!(
            error("type = \"information_retrieval\"").starts_with("path in [evaluators] of RUN.toml: it is missing")
        );
        assert_eq!(
            error("type = \"information_retrieval\"\nqueries = \"q\"\nqrels = \"r\""),
            "corpus in [evaluators] of RUN.toml: it is missing; queries, corpus and qrels go together"
        );
        assert!(error("type = \"information_retrieval\"\npath = \"p\"\nqrels = \"r\"").starts_with("qrels in "));
        assert!(error("type = \"distillation\"").contains("it is missing, and the eval data is no teacher's scores"));
        assert!(error("type = \"distillation\"\npath = \"t\"").contains("path, queries and documents go together"));
        assert!(error("type = \"reranking\"").contains("there is no eval data"));
        assert!(
            error("type = \"information_retrieval\"\nqueries = \"q\"\ncorpus = \"c\"\nqrels = \"r\"\nsplit = \"dev\"")
                .starts_with("split in ")
        );
        let two = "type = \"nano_beir\"\n[[evaluators]]\ntype = \"nano_beir\"";
        assert!(error(two).ends_with("two are \"nano_beir\"; name all collections in one of them"));
    }
}
