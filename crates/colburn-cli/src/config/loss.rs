//! `[loss]`, and the `loss` of a dataset: one of colburn's losses by the name and with the arguments that PyLate gives it.

use colburn::loss::{Contrastive, Distillation, Loss, MarginMse, Score};
use serde::Deserialize;
use toml::Table;

use super::keys;
use super::section::{self, Origin};
use crate::{Error, Result};

/// PyLate's `mini_batch_size` of `CachedContrastive`.
const MINI_BATCH_SIZE: usize = 32;

/// PyLate's `k` of `XTRScores` and `XTRKDScores`.
const K: usize = 256;

/// The scores that `score_metric` may name.
const SCORES: [&str; 2] = ["maxsim", "xtr"];

/// What `type` may name, and the keys that go with it.
const LOSSES: [(&str, &[&str]); 6] = [
    ("contrastive", &["type", "temperature", "size_average", "score_metric", "k", "gather_across_devices"]),
    (
        "cached_contrastive",
        &["type", "temperature", "size_average", "score_metric", "k", "gather_across_devices", "mini_batch_size"],
    ),
    ("distillation", &["type", "temperature", "size_average", "normalize_scores", "score_metric", "k"]),
    ("margin_mse", &["type", "size_average", "score_metric", "k"]),
    ("xtr_contrastive", &["type", "temperature", "size_average", "k", "gather_across_devices"]),
    ("xtr_distillation", &["type", "temperature", "size_average", "normalize_scores", "k"]),
];

/// A loss with its settings.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    Contrastive(Contrastive),
    Distillation(Distillation),
    MarginMse(MarginMse),
}

/// A loss as a file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct LossConfig {
    pub objective: Objective,
    /// For a loss that PyLate caches the gradients in: what it says about the run's `mini_batch_size`.
    pub caching: Option<Caching>,
}

/// What a cached loss says about `mini_batch_size`; it may leave it to `[training]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caching(pub Option<usize>);

/// All keys of all losses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Keys {
    r#type: Option<String>,
    temperature: Option<f64>,
    size_average: Option<bool>,
    normalize_scores: Option<bool>,
    score_metric: Option<String>,
    k: Option<usize>,
    mini_batch_size: Option<usize>,
    gather_across_devices: Option<bool>,
}

impl Objective {
    pub fn as_loss(&self) -> &dyn Loss {
        match self {
            Self::Contrastive(loss) => loss,
            Self::Distillation(loss) => loss,
            Self::MarginMse(loss) => loss,
        }
    }
}

impl LossConfig {
    /// Reads a table of keys.
    ///
    /// # Errors
    /// When the loss is unknown, does not have a key, or cannot have a value.
    pub fn read(table: Table, section: &str, origin: Origin) -> Result<Self> {
        let given: Vec<String> = table.keys().cloned().collect();
        for key in &given {
            keys::check_key(key, section, section::keys_of::<Keys>(), origin)?;
        }
        let mut keys: Keys = section::read(table, section, origin)?;
        let name = keys.r#type.take().unwrap_or_else(|| LOSSES[0].0.to_owned());
        let name = name.as_str();
        origin.one_of(section, "type", name, &LOSSES.map(|(name, _)| name))?;
        let known = LOSSES.iter().find(|(loss, _)| *loss == name).map_or(&[][..], |(_, known)| known);
        if let Some(key) = given.iter().find(|key| !known.contains(&key.as_str())) {
            let file = origin.of(section, key).to_owned();
            let hint = format!("the loss {name:?} has the keys {}", known.join(", "));
            return Err(Error::UnknownKey { key: key.clone(), place: format!("in [{section}] of {file}"), hint });
        }
        let loss = keys.build(name, section, origin)?;
        let checked = loss.objective.as_loss().validate();
        checked.map_err(|error| Error::Run {
            file: origin.of(section, "").to_owned(),
            message: format!("[{section}] {error}"),
        })?;
        Ok(loss)
    }

    /// The `mini_batch_size` of a run with these losses, each with the section that it stands in.
    ///
    /// # Errors
    /// When two of them, or one and `[training]`, have different ones.
    pub fn mini_batch_size<'a>(
        losses: impl Iterator<Item = (&'static str, &'a Self)>,
        training: Option<usize>,
        origin: Origin,
    ) -> Result<Option<usize>> {
        let mut given = training.map(|size| ("training", size));
        let mut default = None;
        for (section, Caching(size)) in losses.filter_map(|(section, loss)| Some((section, loss.caching?))) {
            default = Some(MINI_BATCH_SIZE);
            match (size, given) {
                (Some(size), Some((other, before))) if size != before => {
                    let message =
                        format!("{size}, but in [{other}] it is {before}; a run has one, so keep one of them");
                    return Err(origin.wrong(section, "mini_batch_size", message));
                }
                (Some(size), _) => given = Some((section, size)),
                (None, _) => {}
            }
        }
        Ok(given.map(|(_, size)| size).or(default))
    }
}

impl Keys {
    fn build(self, name: &str, section: &str, origin: Origin) -> Result<LossConfig> {
        if self.gather_across_devices == Some(true) {
            let message = "true, but one process trains, so there is no other device to gather from; leave it out";
            return Err(origin.wrong(section, "gather_across_devices", message.to_owned()));
        }
        let score = self.score(name, section, origin)?;
        let mut caching = None;
        let objective = match name {
            "distillation" | "xtr_distillation" => {
                let default = Distillation::default();
                Objective::Distillation(Distillation {
                    normalize_scores: self.normalize_scores.unwrap_or(default.normalize_scores),
                    size_average: self.size_average.unwrap_or(default.size_average),
                    temperature: self.temperature.unwrap_or(default.temperature),
                    score,
                    ..default
                })
            }
            "margin_mse" => {
                let default = MarginMse::default();
                let size_average = self.size_average.unwrap_or(default.size_average);
                Objective::MarginMse(MarginMse { size_average, score, ..default })
            }
            _ => {
                caching = (name == "cached_contrastive").then_some(Caching(self.mini_batch_size));
                let default = Contrastive::default();
                Objective::Contrastive(Contrastive {
                    temperature: self.temperature.unwrap_or(default.temperature),
                    size_average: self.size_average.unwrap_or(default.size_average),
                    score,
                    ..default
                })
            }
        };
        Ok(LossConfig { objective, caching })
    }

    /// `score_metric` and its `k`; `xtr_` before a loss's name says the former.
    fn score(&self, name: &str, section: &str, origin: Origin) -> Result<Score> {
        let metric = self.score_metric.as_deref().unwrap_or(if name.starts_with("xtr_") { "xtr" } else { "maxsim" });
        origin.one_of(section, "score_metric", metric, &SCORES)?;
        match (metric, self.k) {
            ("xtr", k) => Ok(Score::Xtr { k: k.unwrap_or(K) }),
            (_, None) => Ok(Score::MaxSim),
            (_, Some(_)) => {
                let message =
                    "it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch".to_owned();
                Err(origin.wrong(section, "k", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> Result<LossConfig> {
        LossConfig::read(toml.parse().unwrap(), "loss", Origin { file: "RUN.toml", assigned: &[] })
    }

    fn error(toml: &str) -> String {
        read(toml).unwrap_err().to_string()
    }

    #[test]
    fn losses_have_the_names_and_defaults_of_pylate() {
        let objective = |toml: &str| read(toml).unwrap().objective;
        let contrastive = Contrastive::default();
        assert_eq!(objective(""), Objective::Contrastive(contrastive.clone()));
        assert_eq!(objective("type = \"contrastive\""), Objective::Contrastive(contrastive.clone()));
        assert_eq!(
            objective(
                "type = \"contrastive\"\ntemperature = 0.02\nsize_average = false\ngather_across_devices = false"
            ),
            Objective::Contrastive(Contrastive { temperature: 0.02, size_average: false, ..contrastive.clone() })
        );
        assert_eq!(objective("type = \"distillation\""), Objective::Distillation(Distillation::default()));
        assert_eq!(
            objective("type = \"distillation\"\nnormalize_scores = false\ntemperature = 2"),
            Objective::Distillation(Distillation { normalize_scores: false, temperature: 2.0, ..Default::default() })
        );
        assert_eq!(
            objective("type = \"margin_mse\"\nsize_average = false"),
            Objective::MarginMse(MarginMse { size_average: false, ..Default::default() })
        );
        let xtr = Objective::Contrastive(Contrastive { score: Score::Xtr { k: 256 }, ..contrastive });
        assert_eq!(objective("type = \"xtr_contrastive\""), xtr);
        assert_eq!(objective("score_metric = \"xtr\""), xtr);
        assert_eq!(
            objective("type = \"xtr_distillation\"\nk = 16"),
            Objective::Distillation(Distillation { score: Score::Xtr { k: 16 }, ..Default::default() })
        );
    }

    #[test]
    fn a_key_of_another_loss_is_named_with_those_of_this_one() {
        assert_eq!(
            error("type = \"margin_mse\"\ntemperature = 2"),
            "unknown key \"temperature\" in [loss] of RUN.toml; the loss \"margin_mse\" has the keys type, size_average, \
             score_metric, k"
        );
        assert_eq!(
            error("mini_batch_size = 8"),
            "unknown key \"mini_batch_size\" in [loss] of RUN.toml; the loss \"contrastive\" has the keys type, temperature, \
             size_average, score_metric, k, gather_across_devices"
        );
        assert_eq!(
            error("type = \"distillation\"\nnormalise_scores = true"),
            "unknown key \"normalise_scores\" in [loss] of RUN.toml; did you mean \"normalize_scores\"?"
        );
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        assert_eq!(
            error("type = \"kd\""),
            "type in [loss] of RUN.toml: \"kd\" is not supported; supported: contrastive, cached_contrastive, distillation, \
             margin_mse, xtr_contrastive, xtr_distillation"
        );
        assert_eq!(
            error("gather_across_devices = true"),
            "gather_across_devices in [loss] of RUN.toml: true, but one process trains, so there is no other device to gather \
             from; leave it out"
        );
        assert_eq!(error("temperature = 0"), "RUN.toml: [loss] temperature = 0; a positive number is expected");
        assert_eq!(
            error("k = 4"),
            "k in [loss] of RUN.toml: it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch"
        );
        assert_eq!(
            error("score_metric = \"cosine\""),
            "score_metric in [loss] of RUN.toml: \"cosine\" is not supported; supported: maxsim, xtr"
        );
        assert_eq!(error("type = 1"), "type in [loss] of RUN.toml: invalid type: integer `1`, expected a text");
    }

    #[test]
    fn a_cached_loss_says_how_much_goes_through_the_encoder() {
        let of = |losses: &[&str], training: Option<usize>| {
            let losses: Vec<LossConfig> = losses.iter().map(|toml| read(toml).unwrap()).collect();
            let origin = Origin { file: "RUN.toml", assigned: &[] };
            let sections = ["loss", "data.train.loss"];
            LossConfig::mini_batch_size(sections.into_iter().zip(&losses), training, origin)
        };
        let (plain, cached, eight) =
            ("", "type = \"cached_contrastive\"", "type = \"cached_contrastive\"\nmini_batch_size = 8");
        for (losses, training, expected) in [
            (vec![plain], None, None),
            (vec![plain], Some(4), Some(4)),
            (vec![cached], None, Some(32)),
            (vec![cached], Some(4), Some(4)),
            (vec![eight], None, Some(8)),
            (vec![eight], Some(8), Some(8)),
            (vec![plain, cached], None, Some(32)),
            (vec![cached, eight], None, Some(8)),
        ] {
            assert_eq!(of(&losses, training).unwrap(), expected, "{losses:?} {training:?}");
        }
        assert_eq!(
            of(&[eight], Some(4)).unwrap_err().to_string(),
            "mini_batch_size in [loss] of RUN.toml: 8, but in [training] it is 4; a run has one, so keep one of them"
        );
        assert_eq!(
            of(&[eight, "type = \"cached_contrastive\"\nmini_batch_size = 2"], None).unwrap_err().to_string(),
            "mini_batch_size in [data.train.loss] of RUN.toml: 2, but in [loss] it is 8; a run has one, so keep one of them"
        );
    }
}
