//! The losses, each in its file with its settings, and the one list of them.
//!
//! A new loss is its file, its `mod` and its line in `losses!` below. The type of a line is a loss that can be deserialised, or a type
//! that becomes one ([`Configured`](crate::configured::Configured)) where a name stands for a loss with other settings.

mod contrastive;
mod distillation;
mod margin_mse;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::configured::{Configured as _, GradientCaching};
use crate::loss::Loss;

/// Makes [`LossConfig`] from names and types.
macro_rules! losses {
    ($($name:literal => $module:ident::$settings:ident,)+) => {
        $(pub use $module::$settings;)+

        /// A loss as a configuration file describes it: `type` names it, the other keys are its settings.
        ///
        /// ```
        /// use colburn_loss::{Contrastive, Loss, LossConfig};
        ///
        /// let loss: LossConfig = serde_json::from_str(r#"{"type": "contrastive", "temperature": 0.5}"#)?;
        /// assert_eq!(loss, LossConfig::Contrastive(Contrastive { temperature: 0.5, ..Default::default() }));
        /// assert_eq!(loss.into_loss().name(), "contrastive");
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        #[non_exhaustive]
        pub enum LossConfig {
            $(
                #[doc = concat!("`type = \"", $name, "\"`")]
                #[serde(rename = $name)]
                $settings($settings),
            )+
        }

        impl LossConfig {
            /// The names that `type` can have.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// Reads the settings of the loss of a name, without the key `type`. Errors keep their place in the file, which serde
            /// loses when it reads an enum by its tag.
            ///
            /// # Errors
            /// When there is no loss of this name, or it does not have a key or a value.
            pub fn of_type<'de, D: Deserializer<'de>>(name: &str, settings: D) -> Result<Self, D::Error> {
                match name {
                    $($name => $settings::deserialize(settings).map(Self::$settings),)+
                    other => Err(D::Error::unknown_variant(other, Self::NAMES)),
                }
            }

            /// The loss.
            pub fn into_loss(self) -> Arc<dyn Loss> {
                match self {
                    $(Self::$settings(settings) => settings.into_loss(),)+
                }
            }

            /// The gradient caching that the loss asks for, if any.
            pub fn gradient_caching(&self) -> Option<GradientCaching> {
                match self {
                    $(Self::$settings(settings) => settings.gradient_caching(),)+
                }
            }
        }
    };
}

losses! {
    "contrastive" => contrastive::Contrastive,
    "cached_contrastive" => contrastive::CachedContrastive,
    "distillation" => distillation::Distillation,
    "margin_mse" => margin_mse::MarginMse,
    "xtr_contrastive" => contrastive::XtrContrastive,
    "xtr_distillation" => distillation::XtrDistillation,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Score;

    fn read(settings: serde_json::Value) -> Result<LossConfig, serde_json::Error> {
        serde_json::from_value(settings)
    }

    #[test]
    fn losses_have_the_names_and_defaults_of_pylate() {
        let contrastive = Contrastive::default();
        let xtr = Contrastive { score: Score::Xtr { k: 256 }, ..contrastive.clone() };
        let cached = |mini_batch_size| CachedContrastive { loss: contrastive.clone(), mini_batch_size };
        for (settings, expected) in [
            (json!({"type": "contrastive"}), LossConfig::Contrastive(contrastive.clone())),
            (
                json!({"type": "contrastive", "temperature": 0.02, "size_average": false, "gather_across_devices": false}),
                LossConfig::Contrastive(Contrastive { temperature: 0.02, size_average: false, ..contrastive.clone() }),
            ),
            (json!({"type": "contrastive", "score_metric": "xtr"}), LossConfig::Contrastive(xtr.clone())),
            (json!({"type": "cached_contrastive"}), LossConfig::CachedContrastive(cached(None))),
            (
                json!({"type": "cached_contrastive", "mini_batch_size": 8}),
                LossConfig::CachedContrastive(cached(Some(8))),
            ),
            (json!({"type": "xtr_contrastive"}), LossConfig::XtrContrastive(XtrContrastive(xtr))),
            (json!({"type": "distillation"}), LossConfig::Distillation(Distillation::default())),
            (
                json!({"type": "distillation", "normalize_scores": false, "temperature": 2}),
                LossConfig::Distillation(Distillation {
                    normalize_scores: false,
                    temperature: 2.0,
                    ..Default::default()
                }),
            ),
            (
                json!({"type": "xtr_distillation", "k": 16}),
                LossConfig::XtrDistillation(XtrDistillation(Distillation {
                    score: Score::Xtr { k: 16 },
                    ..Default::default()
                })),
            ),
            (
                json!({"type": "margin_mse", "size_average": false}),
                LossConfig::MarginMse(MarginMse { size_average: false, ..Default::default() }),
            ),
        ] {
            let found = read(settings.clone()).unwrap();
            assert_eq!(found, expected, "{settings}");
            // What is written is read as the same, and the type need not come first.
            let written = serde_json::to_value(&found).unwrap();
            assert_eq!(written["type"], settings["type"]);
            assert_eq!(read(written).unwrap(), expected);
        }
    }

    #[test]
    fn a_configured_loss_is_one_of_the_three() {
        let loss = |settings| read(settings).unwrap().into_loss();
        assert_eq!(loss(json!({"type": "cached_contrastive", "temperature": 0.5})).settings()[0].1, "0.5");
        let xtr = loss(json!({"type": "xtr_contrastive", "k": 4}));
        assert_eq!((xtr.name(), xtr.type_name()), ("contrastive", "Contrastive"));
        assert!(xtr.settings().contains(&("k", "4".to_owned())));
        assert_eq!(loss(json!({"type": "xtr_distillation"})).type_name(), "Distillation");
        let caching = read(json!({"type": "cached_contrastive", "mini_batch_size": 8})).unwrap().gradient_caching();
        assert_eq!(caching, Some(GradientCaching { mini_batch_size: Some(8) }));
        assert_eq!(read(json!({"type": "contrastive"})).unwrap().gradient_caching(), None);
    }

    #[test]
    fn a_key_or_value_that_a_loss_does_not_have_is_an_error() {
        let error = |settings| read(settings).unwrap_err().to_string();
        let message = error(json!({"type": "margin_mse", "temperature": 2}));
        assert!(message.contains("unknown field `temperature`, expected one of `size_average`"), "{message}");
        let message = error(json!({"type": "contrastive", "mini_batch_size": 2}));
        assert!(message.contains("unknown field `mini_batch_size`"), "{message}");
        assert!(error(json!({"type": "kd"})).contains("unknown variant `kd`, expected one of `contrastive`"));
        assert!(error(json!({"type": "contrastive", "k": 4})).starts_with("k: it goes with score_metric = \"xtr\""));
        assert!(error(json!({"type": "contrastive", "score_metric": "cosine"})).contains("`maxsim` or `xtr`"));
        let gathered = error(json!({"type": "xtr_contrastive", "gather_across_devices": true}));
        assert!(gathered.starts_with("gather_across_devices: true, but one process trains"), "{gathered}");
    }

    #[test]
    fn every_loss_cites_its_publication() {
        for name in LossConfig::NAMES {
            let loss = read(json!({"type": name})).unwrap().into_loss();
            assert!(loss.citation().is_some_and(|bibtex| bibtex.starts_with('@')), "{name}");
        }
    }
}
