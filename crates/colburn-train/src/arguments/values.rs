//! The arguments whose value has more than one form.

use std::fmt;
use std::path::PathBuf;

use colburn_report::ReporterKind;
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// `report_to`: names of [`ReporterKind`]s, or `"none"` or `"all"`. In a file it is a name or a list of names.
///
/// ```
/// use colburn_train::{ReportTo, ReporterKind};
///
/// assert_eq!(ReportTo::from("all").reporters()?, ReporterKind::ALL);
/// assert_eq!(ReportTo::default().reporters()?, []);
/// # Ok::<(), colburn_train::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReportTo(pub Vec<String>);

impl From<&str> for ReportTo {
    fn from(name: &str) -> Self {
        Self(vec![name.to_owned()])
    }
}

impl From<ReporterKind> for ReportTo {
    fn from(reporter: ReporterKind) -> Self {
        reporter.name().into()
    }
}

impl ReportTo {
    /// The reporters that the names stand for, each once.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is unknown, or for `none` or `all` among others.
    pub fn reporters(&self) -> Result<Vec<ReporterKind>> {
        let mut reporters = match self.0.as_slice() {
            [name] if name == "all" => ReporterKind::ALL.to_vec(),
            [name] if name == "none" => Vec::new(),
            names => names.iter().map(|name| reporter(name)).collect::<Result<_>>()?,
        };
        reporters.sort_unstable();
        reporters.dedup();
        Ok(reporters)
    }
}

fn reporter(name: &str) -> Result<ReporterKind> {
    ReporterKind::ALL.into_iter().find(|reporter| reporter.name() == name).ok_or_else(|| {
        let known = ReporterKind::ALL.map(ReporterKind::name).join(", ");
        let expected = format!("a list of {known} is expected, or \"none\" or \"all\" alone");
        Error::Argument { key: "report_to", value: format!("{name:?}"), expected: expected.into() }
    })
}

impl<'de> Deserialize<'de> for ReportTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = ReportTo;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> std::result::Result<ReportTo, E> {
                Ok(name.into())
            }
            fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<ReportTo, E> {
                Ok(ReportTo::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> std::result::Result<ReportTo, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(names)).map(ReportTo)
            }
        }
        deserializer.deserialize_any(Names)
    }
}

/// `resume_from_checkpoint`: true, false, or the path of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ResumeFromCheckpoint {
    /// The run starts at its first step.
    #[default]
    No,
    /// The run resumes from the last checkpoint in `output_dir`.
    Last,
    /// The run resumes from this checkpoint.
    From(PathBuf),
}

impl Serialize for ResumeFromCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::No => serializer.serialize_bool(false),
            Self::Last => serializer.serialize_bool(true),
            Self::From(path) => path.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ResumeFromCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Resume;
        impl Visitor<'_> for Resume {
            type Value = ResumeFromCheckpoint;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or the path of a checkpoint")
            }
            fn visit_bool<E: serde::de::Error>(self, last: bool) -> std::result::Result<ResumeFromCheckpoint, E> {
                Ok(if last { ResumeFromCheckpoint::Last } else { ResumeFromCheckpoint::No })
            }
            fn visit_str<E: serde::de::Error>(self, path: &str) -> std::result::Result<ResumeFromCheckpoint, E> {
                match path {
                    "" => Err(E::custom("an empty path, expected true, false or the path of a checkpoint")),
                    path => Ok(ResumeFromCheckpoint::From(path.into())),
                }
            }
            fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<ResumeFromCheckpoint, E> {
                Ok(ResumeFromCheckpoint::No)
            }
        }
        deserializer.deserialize_any(Resume)
    }
}

/// Reads null, Hugging Face's `None`, as the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn report_to(value: Value) -> Result<Vec<ReporterKind>> {
        serde_json::from_value::<ReportTo>(value).unwrap().reporters()
    }

    #[test]
    fn reporters_have_names() {
        assert_eq!(report_to(json!("all")).unwrap(), ReporterKind::ALL);
        assert_eq!(report_to(json!(["all"])).unwrap(), ReporterKind::ALL);
        for none in [json!("none"), json!(["none"]), json!([]), json!(null)] {
            assert_eq!(report_to(none).unwrap(), []);
        }
        assert_eq!(report_to(json!("tensorboard")).unwrap(), [ReporterKind::Tensorboard]);
        let twice = json!(["wandb", "tensorboard", "wandb"]);
        assert_eq!(report_to(twice).unwrap(), [ReporterKind::Tensorboard, ReporterKind::Wandb]);
        assert_eq!(serde_json::to_value(ReportTo::from("wandb")).unwrap(), json!(["wandb"]));
        assert!(serde_json::from_value::<ReportTo>(json!(3)).unwrap_err().to_string().contains("a list of names"));
    }

    #[test]
    fn an_unknown_reporter_is_named() {
        for (value, name) in [(json!("mlflow"), "mlflow"), (json!(["wandb", "all"]), "all")] {
            assert_eq!(
                report_to(value).unwrap_err().to_string(),
                format!(
                    "training argument `report_to` is {name:?}; a list of console, jsonl, html, tensorboard, wandb is expected, or \"none\" or \"all\" alone"
                )
            );
        }
    }

    #[test]
    fn a_checkpoint_is_the_last_one_or_has_a_path() {
        let (no, last) = (ResumeFromCheckpoint::No, ResumeFromCheckpoint::Last);
        let from = ResumeFromCheckpoint::From("output/run/checkpoint-5".into());
        for (value, expected) in [(json!(false), &no), (json!(true), &last), (json!("output/run/checkpoint-5"), &from)]
        {
            assert_eq!(serde_json::from_value::<ResumeFromCheckpoint>(value.clone()).unwrap(), *expected);
            assert_eq!(serde_json::to_value(expected).unwrap(), value);
        }
        assert_eq!(serde_json::from_value::<ResumeFromCheckpoint>(json!(null)).unwrap(), no);
        for wrong in [json!(""), json!(3)] {
            let message = serde_json::from_value::<ResumeFromCheckpoint>(wrong).unwrap_err().to_string();
            assert!(message.contains("expected true, false or the path of a checkpoint"), "{message}");
        }
    }
}
