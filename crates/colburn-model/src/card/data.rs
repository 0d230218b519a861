//! What only a person can say of a model, for its card: the table `[model_card]` of a run.

use serde::{Deserialize, Deserializer, Serialize};

/// What goes into a card beside what the model and its training tell: sentence-transformers' `SentenceTransformerModelCardData` and PyLate's
/// `PylateModelCardData`, by the same names.
///
/// ```
/// use colburn_model::card::ModelCardData;
///
/// let data = ModelCardData { language: vec!["en".into()], license: Some("apache-2.0".into()), ..Default::default() };
/// assert!(data.create_model_card);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelCardData {
    /// Whether a `README.md` is written at all; true.
    pub create_model_card: bool,
    /// The languages of the model, such as `en`. In a file it may be one text.
    #[serde(deserialize_with = "one_or_more")]
    pub language: Vec<String>,
    /// The licence by the hub's name for it, such as `apache-2.0`.
    pub license: Option<String>,
    /// What the model is called in the heading; if not given, that follows from the model that it was trained from.
    pub model_name: Option<String>,
    /// The name under which the model is loaded from the hub, `org/name`, for the lines of code; a run's `hub_model_id` if not given.
    pub model_id: Option<String>,
    /// The model on the hub that this one was trained from, `org/name`, if that cannot be told from where it was loaded.
    pub base_model: Option<String>,
    /// Names and hub names of the training datasets, in their order; if not given, they follow from the files.
    pub train_datasets: Vec<CardDataset>,
    /// The same of the evaluation datasets.
    pub eval_datasets: Vec<CardDataset>,
    /// Tags beside those that every card has.
    #[serde(deserialize_with = "one_or_more")]
    pub tags: Vec<String>,
}

impl Default for ModelCardData {
    fn default() -> Self {
        Self {
            create_model_card: true,
            language: Vec::new(),
            license: None,
            model_name: None,
            model_id: None,
            base_model: None,
            train_datasets: Vec::new(),
            eval_datasets: Vec::new(),
            tags: Vec::new(),
        }
    }
}

/// What a card calls a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CardDataset {
    /// Its name for people; the `id` if not given.
    pub name: Option<String>,
    /// Its name on the hub, `org/name`.
    pub id: Option<String>,
}

/// A text, or a list of texts.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum Texts {
        One(String),
        Many(Vec<String>),
        None(()),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Many(texts) => texts,
        Texts::None(()) => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_forms_that_sentence_transformers_takes() {
        let data: ModelCardData = serde_json::from_str(
            r#"{"language": "en", "tags": ["a", "b"], "train_datasets": [{"name": "SNLI", "id": "stanfordnlp/snli"}, {"name": "STSB"}]}"#,
        )
        .unwrap();
        assert_eq!((data.language.as_slice(), data.tags.len()), (&["en".to_owned()][..], 2));
        assert_eq!(data.train_datasets[0].id.as_deref(), Some("stanfordnlp/snli"));
        let none: ModelCardData = serde_json::from_str(r#"{"language": null}"#).unwrap();
        assert_eq!(none, ModelCardData::default());
        let wrong = serde_json::from_str::<ModelCardData>(r#"{"language": 5}"#).unwrap_err().to_string();
        assert!(wrong.contains("a text or a list of texts"), "{wrong}");
        assert!(serde_json::from_str::<ModelCardData>(r#"{"licence": "mit"}"#).is_err());
    }
}
