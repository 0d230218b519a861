//! The differences between two models that decide token ids, lengths and shapes: a training run that resumes from a checkpoint compares
//! the model that its arguments describe with the one in the checkpoint.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    fmt::{Debug, Display},
    hash::{Hash, Hasher},
};

use serde_json::{Map, Value};

use crate::{ColBert, Result, dense};

/// Keys of the encoder's `config.json` that say nothing of its numbers, or that are compared in another way.
const BOOKKEEPING: [&str; 9] = [
    "_name_or_path",
    "architectures",
    "dtype",
    "id2label",
    "label2id",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "vocab_size",
];

/// Longer values are shown as their length and a hash, in characters.
const LONGEST: usize = 60;

impl ColBert {
    /// The differences from `other` that decide token ids, lengths or shapes, each as `key: VALUE here, VALUE there` on one line, where
    /// `here` is this model and `there` is `other`. Empty if the weights of one can be used in the place of the other's.
    ///
    /// Compared are the parameters of [`ColBertConfig`](crate::ColBertConfig), the ids of the prefixes and of the expansion token, the
    /// embedding size, the tokenizer with its vocabulary, the keys that the `config.json` of both encoders have, the configurations of
    /// the projections, and the shapes of all parameters. Weights, precision and file names are not compared.
    ///
    /// ```no_run
    /// # use burn::tensor::Device;
    /// # use colburn_model::ColBert;
    /// let device = Device::default();
    /// let model = ColBert::from_pretrained("bert-base-uncased", &device)?;
    /// let checkpoint = ColBert::from_pretrained("output/checkpoint-100", &device)?;
    /// for difference in model.differences(&checkpoint)? {
    ///     println!("{difference}"); // query_length: 32 here, 64 there
    /// }
    /// # Ok::<(), colburn_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a tokenizer cannot be written as JSON.
    pub fn differences(&self, other: &Self) -> Result<Vec<String>> {
        let mut found = Differences::default();
        let (here, there) = (self.config(), other.config());
        found.compare("query_length", here.query_length, there.query_length);
        found.compare("document_length", here.document_length, there.document_length);
        found.compare_optional("query_prefix", Some(&here.query_prefix), Some(&there.query_prefix));
        found.compare_optional("document_prefix", Some(&here.document_prefix), Some(&there.document_prefix));
        found.compare("do_query_expansion", here.do_query_expansion, there.do_query_expansion);
        let key = "attend_to_expansion_tokens";
        found.compare(key, here.attend_to_expansion_tokens, there.attend_to_expansion_tokens);
        found.compare_words("skiplist_words", &here.skiplist_words, &there.skiplist_words);
        found.compare("embedding_size", self.embedding_size(), other.embedding_size());
        found.compare_optional("prompt", self.parts.prompt.as_ref(), other.parts.prompt.as_ref());
        self.compare_tokenizers(other, &mut found)?;
        self.compare_shapes(other, &mut found);
        Ok(found.0)
    }

    fn compare_tokenizers(&self, other: &Self, found: &mut Differences) -> Result<()> {
        let (here, there) = (self.tokenizer(), other.tokenizer());
        for (key, here, there) in [
            ("id of query_prefix", here.prefix_ids()[0], there.prefix_ids()[0]),
            ("id of document_prefix", here.prefix_ids()[1], there.prefix_ids()[1]),
            ("id of the expansion token", Some(here.expansion_id()), Some(there.expansion_id())),
        ] {
            found.compare_optional(key, here, there);
        }
        found.compare("vocabulary size", here.vocabulary_sizes()[1], there.vocabulary_sizes()[1]);
        found.compare("do_lower_case", here.lowercase(), there.lowercase());
        found.compare("truncation_side", here.truncation_side(), there.truncation_side());
        found.compare_maps("tokenizer.json", &here.to_json()?, &there.to_json()?, &[]);
        Ok(())
    }

    fn compare_shapes(&self, other: &Self, found: &mut Differences) {
        let (here, there) = (&self.parts.encoder_json, &other.parts.encoder_json);
        if let (Value::Object(here), Value::Object(there)) = (&**here, &**there) {
            // Tools write different selections of the keys, and shapes are compared below: an absent key is not a difference.
            let of_both = |map: &Map<String, Value>, other: &Map<String, Value>| -> Map<String, Value> {
                map.iter()
                    .filter(|(key, _)| other.contains_key(*key))
                    .map(|(key, v)| (key.clone(), v.clone()))
                    .collect()
            };
            found.compare_maps("config.json", &of_both(here, there), &of_both(there, here), &BOOKKEEPING);
        }
        found.compare("rows of word embeddings", self.encoder.vocabulary(), other.encoder.vocabulary());
        found.compare("number of projections", self.dense.len(), other.dense.len());
        for (index, (here, there)) in self.dense.iter().zip(&other.dense).enumerate() {
            let map = |dense: &dense::Dense| match serde_json::to_value(dense.config()) {
                Ok(Value::Object(map)) => map,
                _ => Map::new(),
            };
            found.compare_maps(&dense::folder(index), &map(here), &map(there), &[]);
        }
        if found.0.is_empty() {
            // Every reason for another shape has a line of its own above. This holds if a family has one that is not listed.
            let shapes = |model: &Self| -> BTreeMap<String, Vec<usize>> {
                model.parameters().into_iter().map(|parameter| (parameter.name, parameter.shape)).collect()
            };
            let (here, there) = (shapes(self), shapes(other));
            let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
            if let Some(name) = names.into_iter().find(|name| here.get(*name) != there.get(*name)) {
                found.compare_optional(&format!("shape of `{name}`"), here.get(name), there.get(name));
            }
        }
    }
}

/// The lines of a comparison.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + Display>(&mut self, key: &str, here: T, there: T) {
        if here != there {
            self.0.push(format!("{key}: {here} here, {there} there"));
        }
    }

    /// For values that may be absent. Texts are shown in quotes.
    fn compare_optional<T: PartialEq + Debug>(&mut self, key: &str, here: Option<T>, there: Option<T>) {
        let shown = |value: &Option<T>| value.as_ref().map_or_else(|| "none".to_owned(), |value| format!("{value:?}"));
        if here != there {
            self.0.push(format!("{key}: {} here, {} there", shown(&here), shown(&there)));
        }
    }

    /// Two sets of words, of which those are shown that the other one lacks.
    fn compare_words(&mut self, key: &str, here: &[String], there: &[String]) {
        let only = |words: &[String], other: &[String]| -> String {
            let words: BTreeSet<&String> = words.iter().filter(|word| !other.contains(word)).collect();
            let shown = serde_json::to_value(&words).map(|words| shown(&words)).unwrap_or_default();
            if words.is_empty() { "none more".to_owned() } else { format!("also {shown}") }
        };
        self.compare(key, only(here, there), only(there, here));
    }

    /// Two JSON objects, key by key.
    fn compare_maps(&mut self, name: &str, here: &Map<String, Value>, there: &Map<String, Value>, ignored: &[&str]) {
        let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        for key in keys.into_iter().filter(|key| !ignored.contains(&key.as_str())) {
            let (here, there) = (here.get(key), there.get(key));
            if here != there {
                let text = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), shown);
                self.0.push(format!("{name} {key}: {} here, {} there", text(here), text(there)));
            }
        }
    }
}

/// A value on one line; of a long one, such as a vocabulary, its length and a hash.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{} bytes of hash {:08x}", text.len(), hasher.finish() as u32)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::path::{Path, PathBuf};

    use burn::tensor::Device;

    use super::*;
    use crate::ColBertOptions;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(name)
    }

    fn load(name: &str, options: ColBertOptions) -> ColBert {
        ColBert::from_pretrained_with(fixture(name), &options, &Device::flex()).unwrap()
    }

    /// As a resumed run compares: the model of the arguments, and a checkpoint of it.
    #[test]
    fn a_saved_model_differs_in_nothing() {
        let families = ["albert", "distilbert", "electra", "modernbert", "mpnet", "roberta", "xlm-roberta"];
        let folders = families.map(|family| format!("encoders/{family}"));
        let more = ["tiny-bert", "tiny-colbert", "tiny-st", "heads/dense", "heads/stanford"].map(str::to_owned);
        for name in folders.iter().chain(&more) {
            let model = load(name, ColBertOptions::default());
            let folder = tempfile::tempdir().unwrap();
            model.save_pretrained(folder.path()).unwrap();
            let saved = ColBert::from_pretrained(folder.path(), &Device::flex()).unwrap();
            assert_eq!(model.differences(&saved).unwrap(), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn each_difference_is_a_line() {
        let model = load("tiny-bert", ColBertOptions::default());
        let differences = |options: ColBertOptions| load("tiny-bert", options).differences(&model).unwrap();
        let changed = |options: ColBertOptions, line: &str| {
            let found = differences(options);
            assert_eq!(found.iter().filter(|found| *found == line).count(), 1, "{line}: {found:?}");
        };
        let default = ColBertOptions::default;
        changed(ColBertOptions { query_length: Some(16), ..default() }, "query_length: 16 here, 32 there");
        changed(ColBertOptions { document_length: Some(40), ..default() }, "document_length: 40 here, 160 there");
        changed(ColBertOptions { embedding_size: Some(8), ..default() }, "embedding_size: 8 here, 128 there");
        let line = "do_query_expansion: false here, true there";
        changed(ColBertOptions { do_query_expansion: Some(false), ..default() }, line);
        let line = "attend_to_expansion_tokens: true here, false there";
        changed(ColBertOptions { attend_to_expansion_tokens: Some(true), ..default() }, line);
        let words = ["!", "the"].map(str::to_owned).to_vec();
        let found = differences(ColBertOptions { skiplist_words: Some(words), ..default() });
        assert!(
            matches!(&found[..], [line] if line.starts_with("skiplist_words: also [\"the\"] here, also ")),
            "{found:?}"
        );
        let found = differences(ColBertOptions { query_prefix: Some("[X] ".into()), ..default() });
        assert_eq!(found[0], "query_prefix: \"[X] \" here, \"[Q] \" there");
        assert!(found.iter().any(|line| line.starts_with("tokenizer.json added_tokens: ")), "{found:?}");
        let found = differences(ColBertOptions { document_prefix: Some(String::new()), ..default() });
        assert!(found.iter().any(|line| line.starts_with("id of document_prefix: none here, ")), "{found:?}");
        assert!(found.iter().any(|line| line.starts_with("vocabulary size: ")), "{found:?}");
        assert!(differences(ColBertOptions { seed: Some(7), ..default() }).is_empty(), "weights are not compared");
    }

    #[test]
    fn other_encoders_and_tokenizers_differ() {
        let model = load("tiny-bert", ColBertOptions::default());
        let found = load("encoders/roberta", ColBertOptions::default()).differences(&model).unwrap();
        for key in
            ["config.json model_type: \"roberta\" here, \"bert\" there", "tokenizer.json model: ", "vocabulary size: "]
        {
            assert!(found.iter().any(|line| line.starts_with(key)), "{key}: {found:?}");
        }
        assert!(
            found.iter().all(|line| line.ends_with(" there") && !line.contains('\n') && line.len() < 300),
            "{found:?}"
        );
    }
}
