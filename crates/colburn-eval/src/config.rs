//! The one list of evaluators that a configuration file can name.
//!
//! A new evaluator is its file, with its settings, its `mod`, and its line in `evaluators!` below.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::configured::{Configured as _, EvalRows, EvaluatorContext, setting};
use crate::error::Result;
use crate::evaluator::Evaluator;

/// Makes [`EvaluatorConfig`] from names, variants and types of settings.
macro_rules! evaluators {
    ($($name:literal => $variant:ident($settings:ty),)+) => {
        /// An evaluator as a configuration file describes it: `type` names it, the other keys are its settings.
        ///
        /// ```
        /// use colburn_eval::EvaluatorConfig;
        ///
        /// let triplet: EvaluatorConfig = serde_json::from_str(r#"{"type": "triplet", "path": "triplets.jsonl"}"#)?;
        /// assert!(matches!(triplet, EvaluatorConfig::Triplet(settings) if settings.name.is_empty()));
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        pub enum EvaluatorConfig {
            $(
                #[doc = concat!("`type = \"", $name, "\"`")]
                #[serde(rename = $name)]
                $variant($settings),
            )+
        }

        impl EvaluatorConfig {
            /// The names that `type` can have.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Reads the settings of the evaluator of a name, without the key `type`. Errors keep their place in the file, which serde
            /// loses when it reads an enum by its tag.
            ///
            /// # Errors
            /// When there is no evaluator of this name, or it does not have a key or a value.
            pub fn of_type<'de, D: Deserializer<'de>>(
                name: &str,
                settings: D,
            ) -> std::result::Result<Self, D::Error> {
                match name {
                    $($name => <$settings>::deserialize(settings).map(Self::$variant),)+
                    other => Err(D::Error::unknown_variant(other, Self::NAMES)),
                }
            }

            /// Checks what can be checked before a file is read, in a run with these eval datasets.
            ///
            /// # Errors
            /// When a name cannot be part of a file's name, or there is no data to evaluate on.
            pub fn check(&self, eval: &[EvalRows]) -> Result<()> {
                match self {
                    $(Self::$variant(settings) => {
                        check_name(settings.name())?;
                        settings.check(eval)
                    })+
                }
            }

            /// Checks that the files and metrics of this evaluator are not those of another one.
            ///
            /// # Errors
            /// When both have one type and one name.
            pub fn check_beside(&self, other: &Self) -> Result<()> {
                match (self, other) {
                    $((Self::$variant(settings), Self::$variant(other)) => {
                        let same = settings.name() == other.name() && !settings.is_named_by_its_data();
                        if same { Err(settings.same_name()) } else { Ok(()) }
                    })+
                    _ => Ok(()),
                }
            }

            /// Reads the data and makes the evaluator.
            ///
            /// # Errors
            /// When the data cannot be read, does not have the columns or rows that the evaluator needs, or an option cannot be used.
            pub fn build(self, context: &mut EvaluatorContext<'_>) -> Result<Arc<dyn Evaluator>> {
                match self {
                    $(Self::$variant(settings) => settings.build(context),)+
                }
            }
        }
    };
}

evaluators! {
    "triplet" => Triplet(crate::triplet::TripletSettings),
    "nano_beir" => NanoBeir(crate::nano_beir::NanoBeirSettings),
    "information_retrieval" => InformationRetrieval(crate::information_retrieval::InformationRetrievalSettings),
    "distillation" => Distillation(crate::distillation::DistillationSettings),
    "reranking" => Reranking(crate::reranking::RerankingSettings),
}

/// Checks that a name can be part of a file's name.
fn check_name(name: &str) -> Result<()> {
    if name.contains(['/', '\\']) {
        return Err(setting("name", format!("{name:?} becomes part of a file's name and cannot hold / or \\")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use colburn_data::{Dataset, Examples};
    use serde_json::json;

    use super::*;
    use crate::PerCollection;

    fn read(settings: serde_json::Value) -> EvaluatorConfig {
        serde_json::from_value(settings).unwrap()
    }

    fn refused(settings: serde_json::Value, eval: &[EvalRows]) -> String {
        read(settings).check(eval).unwrap_err().to_string()
    }

    #[test]
    fn every_kind_has_its_keys() {
        let nano = read(json!({
            "type": "nano_beir", "dataset_names": ["SciFact"], "path": "nano", "query_prompts": "query: ",
            "query_lengths": {"SciFact": 48}, "ndcg_at_k": [5, 10], "write_predictions": true
        }));
        let EvaluatorConfig::NanoBeir(nano) = nano else { panic!("{nano:?}") };
        assert!(matches!(&nano.query_prompts, Some(PerCollection::All(prompt)) if prompt == "query: "));
        assert!(matches!(&nano.query_lengths, Some(PerCollection::Each(each)) if each["SciFact"] == 48));
        let options = nano.options(Some(7));
        assert_eq!((options.ndcg_at_k, options.mrr_at_k, options.batch_size), (vec![5, 10], vec![10], Some(7)));
        for settings in [
            json!({"type": "information_retrieval", "path": "beir/scifact", "split": "test", "query_length": 48}),
            json!({"type": "information_retrieval", "name": "own", "queries": "q", "corpus": "c", "qrels": "r"}),
            json!({"type": "distillation", "path": "t", "queries": "q", "documents": "d", "normalize_scores": false}),
            json!({"type": "reranking", "path": "r.jsonl", "at_k": 5, "batch_size": 4}),
            json!({"type": "triplet", "path": "t.jsonl"}),
        ] {
            read(settings).check(&[]).unwrap();
        }
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let error = |settings| serde_json::from_value::<EvaluatorConfig>(settings).unwrap_err().to_string();
        let message = error(json!({"type": "triplet", "path": "t", "at_k": 5}));
        assert!(message.contains("unknown field `at_k`, expected one of `name`, `path`, `batch_size`"), "{message}");
        let message = error(json!({"type": "nano_beir", "query_prompt": "q"}));
        assert!(message.contains("`dataset_names`") && message.contains("`map_at_k`"), "{message}");
        assert!(error(json!({"type": "nano_bier"})).contains("unknown variant `nano_bier`, expected one of `triplet`"));
    }

    #[test]
    fn rows_are_named_once() {
        assert!(refused(json!({"type": "information_retrieval"}), &[]).starts_with("path: it is missing: a folder"));
        assert_eq!(
            refused(json!({"type": "information_retrieval", "queries": "q", "qrels": "r"}), &[]),
            "corpus: it is missing; queries, corpus and qrels go together"
        );
        let both = json!({"type": "information_retrieval", "path": "p", "qrels": "r"});
        assert!(refused(both, &[]).starts_with("qrels: path names a folder"));
        let split =
            json!({"type": "information_retrieval", "queries": "q", "corpus": "c", "qrels": "r", "split": "dev"});
        assert!(refused(split, &[]).starts_with("split: \"dev\""));
        let distillation = json!({"type": "distillation"});
        assert!(refused(distillation.clone(), &[]).contains("the eval data holds no teacher's scores"));
        assert!(refused(distillation.clone(), &[EvalRows::Scores; 2]).contains("there are several eval datasets"));
        assert!(read(distillation).check(&[EvalRows::Scores]).is_ok());
        let part = json!({"type": "distillation", "path": "t"});
        assert!(refused(part, &[EvalRows::Scores]).contains("path, queries and documents go together"));
        for kind in ["triplet", "reranking"] {
            assert!(refused(json!({"type": kind}), &[]).contains("there is no eval data"), "{kind}");
            assert!(refused(json!({"type": kind}), &[EvalRows::Scores]).contains("holds a teacher's scores"), "{kind}");
            assert!(read(json!({"type": kind})).check(&[EvalRows::Texts]).is_ok());
        }
    }

    #[test]
    fn names_tell_evaluators_of_one_type_apart() {
        let beside = |one, other| read(one).check_beside(&read(other)).map_err(|error| error.to_string());
        let triplet = |name: &str| json!({"type": "triplet", "name": name});
        assert!(beside(triplet("a"), triplet("b")).is_ok());
        assert!(beside(triplet("a"), json!({"type": "reranking", "name": "a"})).is_ok());
        assert_eq!(
            beside(triplet("a"), triplet("a")),
            Err("name: two have the name \"a\"; give each one a `name` of its own".to_owned())
        );
        assert!(beside(triplet(""), triplet("")).unwrap_err().contains("two have no name"));
        let nano = json!({"type": "nano_beir"});
        assert_eq!(
            beside(nano.clone(), nano),
            Err("type: two are \"nano_beir\"; name all collections in one of them".to_owned())
        );
        // Collections without a name of their own have that of their folder.
        let folder = |path: &str| json!({"type": "information_retrieval", "path": path});
        assert!(beside(folder("a"), folder("b")).is_ok());
        assert!(refused(triplet("a/b"), &[EvalRows::Texts]).contains("\"a/b\" becomes part of a file's name"));
    }

    #[test]
    fn an_evaluator_without_a_file_takes_the_eval_dataset() {
        let rows = [["q", "p", "n"].map(str::to_owned).to_vec()];
        let rows = Dataset::from_rows(&["query", "positive", "negative"], rows).unwrap();
        let eval = [(String::new(), Examples::from(rows.clone()))];
        let mut loaded = Vec::new();
        let mut load = |path: &str| {
            loaded.push(path.to_owned());
            Ok(rows.clone())
        };
        let mut context = EvaluatorContext { eval: &eval, batch_size: Some(4), load: &mut load };
        for settings in [json!({"type": "triplet"}), json!({"type": "reranking", "name": "own", "path": "own.jsonl"})] {
            let evaluator = read(settings.clone()).build(&mut context).unwrap();
            assert_eq!(evaluator.name(), settings["name"].as_str().unwrap_or_default());
        }
        context.eval = &[];
        assert!(read(json!({"type": "triplet"})).build(&mut context).is_err());
        assert_eq!(loaded, ["own.jsonl"]);
    }
}
