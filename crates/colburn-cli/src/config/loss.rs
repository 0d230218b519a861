//! `[loss]`, and the `loss` of a dataset: one of colburn's losses by the name and with the arguments that PyLate gives it.

use colburn::loss::{GradientCaching, Loss, LossConfig};

use super::section::Section;
use crate::{Error, Result};

/// The gradient caching that a loss of the run asks for, and where.
pub struct Caching {
    section: String,
    place: String,
    mini_batch_size: Option<usize>,
}

/// Reads the loss of a section; its gradient caching, if any, is added to that of the run.
///
/// # Errors
/// When the loss is unknown, does not have a key, or cannot have a value.
pub fn read(section: &Section, caching: &mut Vec<Caching>) -> Result<LossConfig> {
    let read = |name: &str, settings| LossConfig::of_type(name, settings);
    let loss = section.read_type(("loss", "loss"), LossConfig::NAMES, Some("contrastive"), read)?;
    loss.clone().into_loss().validate().map_err(|error| section.refused(&error))?;
    if let Some(GradientCaching { mini_batch_size }) = loss.gradient_caching() {
        let (section, place) = (section.name().to_owned(), section.place("mini_batch_size"));
        caching.push(Caching { section, place, mini_batch_size });
    }
    Ok(loss)
}

/// The `mini_batch_size` of a run, from `[training]` and from losses that cache gradients.
///
/// # Errors
/// When two of them are given and differ.
pub fn mini_batch_size(training: Option<usize>, caching: &[Caching]) -> Result<Option<usize>> {
    let mut given = training.map(|size| ("training", size));
    for Caching { section, place, mini_batch_size } in caching {
        match (*mini_batch_size, given) {
            (Some(size), Some((other, before))) if size != before => {
                let message = format!(
                    "mini_batch_size in [{section}]: {size}, but in [{other}] it is {before}; a run has one, so keep one of them"
                );
                return Err(Error::Run { place: place.clone(), message });
            }
            (Some(size), _) => given = Some((section, size)),
            (None, _) => {}
        }
    }
    let default = (!caching.is_empty()).then_some(GradientCaching::MINI_BATCH_SIZE);
    Ok(given.map(|(_, size)| size).or(default))
}

#[cfg(test)]
mod tests {
    use colburn::loss::{Contrastive, Score};

    use super::super::testing::{run_text, section};
    use super::*;

    fn read(toml: &str) -> Result<LossConfig> {
        let run_text = run_text(toml);
        super::read(&section(&run_text, "loss"), &mut Vec::new())
    }

    fn error(toml: &str) -> String {
        read(toml).unwrap_err().to_string()
    }

    #[test]
    fn without_a_type_it_is_contrastive() {
        let contrastive = Contrastive { score: Score::Xtr { k: 256 }, ..Default::default() };
        assert_eq!(read("score_metric = \"xtr\"").unwrap(), LossConfig::Contrastive(contrastive));
        assert_eq!(read("").unwrap(), LossConfig::Contrastive(Contrastive::default()));
    }

    #[test]
    fn a_key_of_another_loss_is_named_with_those_of_this_one() {
        assert_eq!(
            error("type = \"margin_mse\"\ntemperature = 2"),
            "RUN.toml:2: unknown key \"temperature\" in [loss]; the loss \"margin_mse\" has the keys type, size_average, \
             score_metric, k"
        );
        assert_eq!(
            error("mini_batch_size = 8"),
            "RUN.toml:1: unknown key \"mini_batch_size\" in [loss]; the loss \"contrastive\" has the keys type, temperature, \
             size_average, score_metric, k, gather_across_devices"
        );
        assert_eq!(
            error("type = \"distillation\"\nnormalise_scores = true"),
            "RUN.toml:2: unknown key \"normalise_scores\" in [loss]; did you mean \"normalize_scores\"?"
        );
    }

    #[test]
    fn values_that_cannot_be_are_named() {
        assert_eq!(
            error("type = \"kd\""),
            "RUN.toml:1: type in [loss]: \"kd\" is not supported; supported: contrastive, cached_contrastive, distillation, \
             margin_mse, xtr_contrastive, xtr_distillation"
        );
        assert_eq!(
            error("size_average = true\ngather_across_devices = true"),
            "RUN.toml:2: [loss] gather_across_devices: true, but one process trains, so there is no other device to gather \
             from; leave it out"
        );
        assert_eq!(
            error("# cold\ntemperature = 0"),
            "RUN.toml:2: [loss] temperature = 0; a positive number is expected"
        );
        assert_eq!(
            error("k = 4"),
            "RUN.toml:1: [loss] k: it goes with score_metric = \"xtr\", which keeps the k best tokens of the batch"
        );
        assert_eq!(
            error("score_metric = \"cosine\""),
            "RUN.toml:1: score_metric in [loss]: \"cosine\" is not supported; supported: maxsim, xtr"
        );
        assert_eq!(error("type = 1"), "RUN.toml:1: type in [loss]: an integer was given; a text is expected");
    }

    #[test]
    fn a_cached_loss_says_how_much_goes_through_the_encoder() {
        let of = |losses: &[&str], training: Option<usize>| {
            let mut caching = Vec::new();
            for (name, toml) in ["loss", "data.train.loss"].iter().zip(losses) {
                let run_text = run_text(toml);
                super::read(&section(&run_text, name), &mut caching)?;
            }
            mini_batch_size(training, &caching)
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
            "RUN.toml:2: mini_batch_size in [loss]: 8, but in [training] it is 4; a run has one, so keep one of them"
        );
        assert_eq!(
            of(&[eight, "type = \"cached_contrastive\"\nmini_batch_size = 2"], None).unwrap_err().to_string(),
            "RUN.toml:2: mini_batch_size in [data.train.loss]: 2, but in [loss] it is 8; a run has one, so keep one of them"
        );
    }
}
