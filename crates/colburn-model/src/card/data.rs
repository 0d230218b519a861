//! The settings of a model card that only a person knows: the table `[model_card]` of a run.

use serde::{Deserialize, Deserializer, Serialize};

/// The settings of a card, with the names of sentence-transformers' `SentenceTransformerModelCardData` and PyLate's `PylateModelCardData`.
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
    /// True if a `README.md` is written, true.
    pub create_model_card: bool,
    /// The languages of the model, such as `en`. A file may have one text in place of a list.
    #[serde(deserialize_with = "one_or_more")]
    pub language: Vec<String>,
    /// The licence by the hub's name for it, such as `apache-2.0`.
    pub license: Option<String>,
    /// The model's name in the heading. The default follows from the base model.
    pub model_name: Option<String>,
    /// The model's name on the hub, `org/name`, for the lines of code. The default is a run's `hub_model_id`.
    pub model_id: Option<String>,
    /// The base model on the hub, `org/name`. The default follows from the path that the model was loaded from.
    pub base_model: Option<String>,
    /// Names and hub names of the training datasets, in their order. The default follows from the files.
    pub train_datasets: Vec<CardDataset>,
    /// Names and hub names of the evaluation datasets.
    pub eval_datasets: Vec<CardDataset>,
    /// Tags in addition to those of every card.
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

/// The names of a dataset in a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CardDataset {
    /// The name for people. The default is `id`.
    pub name: Option<String>,
    /// The name on the hub, `org/name`.
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
