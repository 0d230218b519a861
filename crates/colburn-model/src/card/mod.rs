//! The model card: a `README.md` with metadata in YAML at the top. The hub indexes a model by the metadata; the text describes the model and
//! its use.
//!
//! [`ModelCard::new`] makes the card of a model that is saved outside of training ([`ColBert::save_pretrained`]). Training adds datasets, loss,
//! arguments, logs and results. The parts and their order are those of PyLate's cards. A card has no date and no local path, so the same model
//! has the same card, and it can be published.

mod architecture;
mod citations;
mod data;
mod hub_repo;
pub mod markdown;
mod yaml;

use serde_json::{Value, json};

pub use citations::Citation;
pub use data::{CardDataset, ModelCardData};
pub use hub_repo::{HubRepo, is_repo_id};

use self::markdown::{escape, fenced, listed};
use crate::ColBert;

/// The name of the file.
pub const FILE: &str = "README.md";

/// The tags of every card: PyLate's and this project's.
const TAGS: [&str; 6] =
    ["ColBERT", "PyLate", "sentence-transformers", "sentence-similarity", "feature-extraction", "colburn"];

/// The model's name in lines of code if its name on the hub is not known.
const PLACEHOLDER: &str = "path/to/this/model";

const USAGE: &str = include_str!("usage.md");

const USAGE_PYLATE_RS: &str = include_str!("usage_pylate_rs.md");

/// The version of Burn that this crate is built with; Burn has no constant for it.
const BURN: &str = "0.22.1";

/// The parts of a card.
#[derive(Clone, Debug, Default)]
pub struct ModelCard {
    /// The settings of a person.
    pub data: ModelCardData,
    /// The base model on the hub.
    pub base: Option<HubRepo>,
    /// The name of a base model that is not on the hub: the last part of its path.
    pub base_folder: Option<String>,
    /// Tags in addition to those of every card.
    pub tags: Vec<String>,
    /// The training datasets.
    pub trained_on: Vec<NamedDataset>,
    /// The names of the metrics in `results`.
    pub metrics: Vec<String>,
    /// The results of evaluations.
    pub results: Vec<EvalResult>,
    /// The section `## Evaluation`; it is left out if empty.
    pub evaluation: String,
    /// The section `## Training Details`; it is left out if empty.
    pub training: String,
    /// Works to cite in addition to ColBERT and PyLate.
    pub citations: Vec<Citation>,
    /// Versions in addition to those of colburn and Burn.
    pub versions: Vec<(String, String)>,
    model: ModelSummary,
}

/// A dataset with its name and its repository on the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedDataset {
    /// The name for people.
    pub name: String,
    /// The repository.
    pub repo: Option<HubRepo>,
}

/// One number of an evaluation, for the hub's `model-index`.
#[derive(Clone, Debug, PartialEq)]
pub struct EvalResult {
    /// The evaluated task, such as `Information Retrieval`.
    pub task: String,
    /// The dataset; `None` if it has no name.
    pub dataset: Option<String>,
    /// The metric, such as `MaxSim_ndcg@10`.
    pub metric: String,
    /// The value.
    pub value: f64,
}

/// The properties of the model.
#[derive(Clone, Debug, Default)]
struct ModelSummary {
    document_length: usize,
    query_length: usize,
    dimensions: usize,
    architecture: String,
    /// True if pylate-rs can read the model.
    pylate_rs: bool,
}

impl NamedDataset {
    /// The name, with a link to the repository if there is one.
    pub fn link(&self) -> String {
        match &self.repo {
            Some(HubRepo { id, .. }) => format!("[{}](https://huggingface.co/datasets/{id})", escape(&self.name)),
            None => escape(&self.name),
        }
    }
}

impl ModelCard {
    /// The card of a model without further information.
    pub fn new(model: &ColBert) -> Self {
        let base = HubRepo::of(model.name_or_path());
        let folder = model.name_or_path().file_name().map(|name| name.to_string_lossy().into_owned());
        let summary = ModelSummary {
            document_length: model.config().document_length,
            query_length: model.config().query_length,
            dimensions: model.embedding_size(),
            architecture: architecture::describe(model),
            pylate_rs: architecture::is_read_by_pylate_rs(model),
        };
        Self { base_folder: folder.filter(|_| base.is_none()), base, model: summary, ..Self::default() }
    }

    /// The card with the settings of a person. An impossible name on the hub is left out with a warning, because it would become a link.
    #[must_use]
    pub fn with_data(mut self, data: &ModelCardData) -> Self {
        self.data = data.clone();
        self.data.model_id = repo_id("model_id", data.model_id.as_ref());
        if let Some(id) = repo_id("base_model", data.base_model.as_ref()) {
            self.base = Some(HubRepo { id, revision: None });
        }
        self
    }

    /// The text of the file.
    pub fn to_markdown(&self) -> String {
        let name = self.name();
        let parts = [
            format!("---\n{}---\n\n# {}\n\n", yaml::mapping(&self.metadata(&name)), escape(&name)),
            self.introduction(),
            self.description(),
            USAGE
                .replace("{{ pylate-rs }}", if self.model.pylate_rs { USAGE_PYLATE_RS } else { "" })
                .replace("{{ model_id }}", self.data.model_id.as_deref().unwrap_or(PLACEHOLDER)),
            section(&self.evaluation),
            section(&self.training),
            self.versions(),
            self.citations(),
        ];
        parts.concat()
    }

    fn name(&self) -> String {
        match (&self.data.model_name, &self.base) {
            (Some(name), _) => name.clone(),
            (None, Some(base)) => format!("ColBERT model based on {}", base.id),
            (None, None) => "ColBERT model".to_owned(),
        }
    }

    /// The metadata for the hub, in the order of sentence-transformers.
    fn metadata(&self, name: &str) -> Value {
        let mut tags: Vec<&str> = TAGS.to_vec();
        for tag in self.tags.iter().chain(&self.data.tags).map(String::as_str) {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let mut datasets: Vec<&str> = Vec::new();
        for id in self.trained_on.iter().filter_map(|dataset| Some(dataset.repo.as_ref()?.id.as_str())) {
            if !datasets.contains(&id) {
                datasets.push(id);
            }
        }
        json!({
            "language": self.data.language,
            "license": self.data.license,
            "tags": tags,
            "base_model": self.base.as_ref().map(|base| &base.id),
            "datasets": datasets,
            "pipeline_tag": "sentence-similarity",
            "library_name": "PyLate",
            "metrics": self.metrics,
            "model-index": self.model_index(name),
        })
    }

    /// One entry for each task and dataset, with all their metrics (`eval_results_to_model_index` of huggingface_hub).
    fn model_index(&self, name: &str) -> Value {
        // The first result and all metrics of each task and dataset.
        let mut results: Vec<(&EvalResult, Vec<Value>)> = Vec::new();
        for result in self.results.iter().filter(|result| result.value.is_finite()) {
            let metric = json!({"type": result.metric, "value": result.value, "name": title(&result.metric)});
            let same = |other: &EvalResult| other.task == result.task && other.dataset == result.dataset;
            match results.iter_mut().find(|(first, _)| same(first)) {
                Some((_, metrics)) => metrics.push(metric),
                None => results.push((result, vec![metric])),
            }
        }
        if results.is_empty() {
            return Value::Null;
        }
        let results = results.into_iter().map(|(EvalResult { task, dataset, .. }, metrics)| {
            let dataset = dataset.as_deref();
            let shown = dataset.map_or_else(|| "Unknown".to_owned(), |dataset| dataset.replace(['_', '-'], " "));
            json!({
                "task": {"type": task.to_lowercase().replace(' ', "-"), "name": task},
                "dataset": {"name": shown, "type": dataset.unwrap_or("unknown")},
                "metrics": metrics,
            })
        });
        json!([{"name": name, "results": results.collect::<Vec<_>>()}])
    }

    fn introduction(&self) -> String {
        let base = match &self.base {
            Some(HubRepo { id, .. }) => format!(" finetuned from [{id}](https://huggingface.co/{id})"),
            None => String::new(),
        };
        let links: Vec<String> = self.trained_on.iter().map(NamedDataset::link).collect();
        let data = match links.len() {
            0 => String::new(),
            1 => format!(" on the {} dataset", links[0]),
            _ => format!(" on the {} datasets", listed(&links)),
        };
        let trained = match (self.training.is_empty(), &self.base) {
            (false, None) => " trained",
            _ => "",
        };
        format!(
            "This is a ColBERT (late-interaction) model{trained}{base}{data}, made by [colburn](https://github.com/colburn-rs/colburn) \
             and saved in the layout of [PyLate](https://github.com/lightonai/pylate). It maps queries and documents to sequences of \
             {}-dimensional dense vectors, one for each token, and compares them by the MaxSim operator.\n\n",
            self.model.dimensions
        )
    }

    fn description(&self) -> String {
        let ModelSummary { document_length, query_length, dimensions, architecture, .. } = &self.model;
        let mut lines = vec!["- **Model Type:** PyLate model (ColBERT)".to_owned()];
        lines.push(match (&self.base, &self.base_folder) {
            (Some(HubRepo { id, revision }), _) => {
                let at = revision.as_ref().filter(|revision| revision.chars().all(|c| c.is_ascii_alphanumeric()));
                let at = at.map(|revision| format!(" <!-- at revision {revision} -->")).unwrap_or_default();
                format!("- **Base model:** [{id}](https://huggingface.co/{id}){at}")
            }
            (None, Some(folder)) => format!("- **Base model:** {} (a local folder)", escape(folder)),
            (None, None) => "<!-- - **Base model:** Unknown -->".to_owned(),
        });
        lines.push(format!("- **Document Length:** {document_length} tokens"));
        lines.push(format!("- **Query Length:** {query_length} tokens"));
        lines.push(format!("- **Output Dimensionality:** {dimensions} dimensions for each token"));
        lines.push("- **Similarity Function:** MaxSim".to_owned());
        let several = if self.trained_on.len() > 1 { "s" } else { "" };
        if self.trained_on.is_empty() {
            lines.push("<!-- - **Training Dataset:** Unknown -->".to_owned());
        } else {
            lines.push(format!("- **Training Dataset{several}:**"));
            lines.extend(self.trained_on.iter().map(|dataset| format!("    - {}", dataset.link())));
        }
        lines.push(match self.data.language.as_slice() {
            [] => "<!-- - **Language:** Unknown -->".to_owned(),
            [language] => format!("- **Language:** {}", escape(language)),
            languages => format!("- **Languages:** {}", escape(&languages.join(", "))),
        });
        lines.push(match &self.data.license {
            None => "<!-- - **License:** Unknown -->".to_owned(),
            Some(license) => format!("- **License:** {}", escape(license)),
        });
        format!(
            "## Model Details\n\n### Model Description\n\n{}\n\n### Model Sources\n\n\
             - **Trained with:** [colburn](https://github.com/colburn-rs/colburn)\n\
             - **Layout:** [PyLate](https://github.com/lightonai/pylate) ([documentation](https://lightonai.github.io/pylate/))\n\
             - **Hugging Face:** [PyLate models on Hugging Face](https://huggingface.co/models?library=PyLate)\n\n\
             ### Full Model Architecture\n\n{}\n",
            lines.join("\n"),
            fenced("", architecture)
        )
    }

    fn versions(&self) -> String {
        let own = [("colburn", env!("CARGO_PKG_VERSION")), ("Burn", BURN)];
        let own = own.map(|(name, version)| (name.to_owned(), version.to_owned()));
        let lines = own.iter().chain(&self.versions);
        let lines = lines.map(|(name, version)| format!("- {}: {}\n", escape(name), escape(version)));
        format!("\n### Framework Versions\n\n{}", lines.collect::<String>())
    }

    fn citations(&self) -> String {
        let own = [Citation::new("ColBERT", citations::COLBERT), Citation::new("PyLate", citations::PYLATE)];
        let mut text = "\n## Citation\n\n### BibTeX\n".to_owned();
        for Citation { of, bibtex } in own.iter().chain(&self.citations) {
            text.push_str(&format!("\n#### {}\n\n{}", escape(of), fenced("bibtex", bibtex)));
        }
        text
    }
}

/// A section after a blank line; empty if there is no section.
fn section(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\n{}\n", text.trim_end_matches('\n')) }
}

fn repo_id(key: &str, name: Option<&String>) -> Option<String> {
    let name = name?;
    if !is_repo_id(name) {
        tracing::warn!(
            "model card: `{key}` is {name:?}, which cannot be a name on the hub (`org/name`); it is left out"
        );
        return None;
    }
    Some(name.clone())
}

/// Python's `str.title` of a metric with spaces for underscores, as sentence-transformers shows it: `MaxSim_ndcg@10` is `Maxsim Ndcg@10`.
fn title(metric: &str) -> String {
    let mut within = false;
    let letter = |c: char| {
        let shown = match (c, within) {
            ('_', _) => " ".to_owned(),
            (c, true) => c.to_lowercase().collect(),
            (c, false) => c.to_uppercase().collect(),
        };
        within = c.is_alphabetic();
        shown
    };
    metric.chars().map(letter).collect()
}

#[cfg(test)]
mod tests;
