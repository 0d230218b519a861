//! The prompts that a command puts before texts: those that its arguments ask for, by their texts or by the names under which the model
//! keeps them. A model's saved prompts that are left out are said, because a model that was trained with them is worse without.

use colburn::model::ColBert;

use crate::Result;

/// The prompt of one kind of texts, as it was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub text: Option<&'a str>,
    pub name: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub fn new(text: Option<&'a String>, name: Option<&'a String>) -> Self {
        Self { text: text.map(String::as_str), name: name.map(String::as_str) }
    }

    /// The text that is to be put before each text; none if nothing was asked for.
    pub fn of(self, model: &ColBert) -> Result<Option<String>> {
        Ok(match (self.text, self.name) {
            (Some(text), _) => Some(text.to_owned()),
            (None, Some(name)) => Some(model.prompt(name)?.to_owned()),
            (None, None) => None,
        })
    }

    /// True if a prompt was asked for, also an empty one.
    pub fn is_given(self) -> bool {
        self.text.is_some() || self.name.is_some()
    }
}

/// Texts that a command encodes: their name in messages, the prompt that was asked for, and the option that asks for one.
pub type Encoded<'a> = (&'a str, Asked<'a>, Option<&'a str>);

/// Says in one line which texts get no prompt of a model that has saved ones.
pub fn say_left_out(model: &ColBert, encoded: &[Encoded<'_>]) {
    if let Some(line) = left_out(model, encoded) {
        tracing::warn!("{line}");
    }
}

fn left_out(model: &ColBert, encoded: &[Encoded<'_>]) -> Option<String> {
    let saved: Vec<String> =
        model.prompts().filter(|(_, text)| !text.is_empty()).map(|(name, _)| format!("\"{name}\"")).collect();
    let without: Vec<&Encoded<'_>> = encoded.iter().filter(|(_, asked, _)| !asked.is_given()).collect();
    if saved.is_empty() || without.is_empty() || model.default_prompt().is_some() {
        return None;
    }
    let texts: Vec<&str> = without.iter().map(|(texts, ..)| *texts).collect();
    let options: Vec<String> =
        without.iter().filter_map(|(.., option)| Some(format!("{}-name NAME", (*option)?))).collect();
    let advice = match options[..] {
        [] => String::new(),
        _ => format!("; {} puts one there", options.join(", ")),
    };
    let (model, texts, saved) = (model.name_or_path().display(), texts.join(" and "), saved.join(", "));
    Some(format!("{model}: its saved prompts ({saved}) are left out before {texts}{advice}"))
}
