//! `learning_rate_mapping`: learning rates for parts of a model, chosen by patterns of parameter names.
//!
//! Source: `SentenceTransformerTrainer.get_optimizer_cls_and_kwargs`. Two things differ: names are those in the safetensors files, where
//! sentence-transformers has the path through its modules; and a parameter that two patterns match is an error, where there the later
//! one wins, because the keys of a TOML table have no order.

use std::collections::HashMap;

use burn::module::ParamId;
use colburn_model::Parameter;
use regex::Regex;
use serde_json::json;

use crate::{Error, Result, TrainingArguments};

/// A pattern of names, and the learning rate of the parameters that it matches.
pub(crate) struct Pattern {
    regex: Regex,
    rate: f64,
}

/// The patterns of `learning_rate_mapping`.
///
/// # Errors
/// [`Error::Argument`] for a key that is not a regular expression or a value that is not a learning rate.
pub(crate) fn compile(args: &TrainingArguments) -> Result<Vec<Pattern>> {
    let mapping = &args.learning_rate_mapping;
    if args.learning_rate == 0.0 && !mapping.is_empty() {
        let expected = "with `learning_rate_mapping` it has to be above 0, because the schedule is a share of it; to train some \
             parameters only, map the others to 0";
        return Err(Error::Argument { key: "learning_rate", value: "0".to_owned(), expected: expected.into() });
    }
    let compile = |(pattern, &rate): (&String, &f64)| {
        if !(rate.is_finite() && rate >= 0.0) {
            return Err(wrong(pattern, rate, "a finite rate of at least 0 is expected"));
        }
        let regex = Regex::new(pattern).map_err(|error| {
            // The message points at the place on lines of its own; the last one says what is wrong there.
            let message = error.to_string();
            let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            wrong(pattern, rate, &format!("the key has to be a regular expression ({reason})"))
        })?;
        Ok(Pattern { regex, rate })
    };
    mapping.iter().map(compile).collect()
}

/// Checks that the mapping fits the model, before the run. `own_optimizer` is true if the run has an optimizer that `optim` does not name.
///
/// # Errors
/// Those of [`multipliers`], and [`Error::Argument`] for a mapping that the optimizer would ignore.
pub(crate) fn check(args: &TrainingArguments, parameters: &[Parameter], own_optimizer: bool) -> Result<()> {
    match args.learning_rate_mapping.iter().next() {
        Some((pattern, rate)) if own_optimizer => {
            let expected = "it belongs to AdamW; the optimizer that was given to the trainer has settings of its own";
            Err(wrong(pattern, *rate, expected))
        }
        _ => multipliers(args, parameters).map(|_| ()),
    }
}

/// The factor of the learning rate of a step for each parameter that a pattern matches.
///
/// # Errors
/// [`Error::Argument`] for a pattern that matches no parameter, or a parameter that another pattern matches too.
pub(crate) fn multipliers(args: &TrainingArguments, parameters: &[Parameter]) -> Result<HashMap<ParamId, f64>> {
    let mut found: HashMap<ParamId, (f64, String)> = HashMap::new();
    for Pattern { regex, rate } in compile(args)? {
        let mut matched = false;
        for parameter in parameters.iter().filter(|parameter| regex.is_match(&parameter.name)) {
            matched = true;
            if let Some((_, other)) = found.insert(parameter.id, (rate, regex.to_string())) {
                let expected = format!(
                    "{other:?} matches {}, too; make the patterns such that each parameter has one",
                    parameter.name
                );
                return Err(wrong(regex.as_str(), rate, &expected));
            }
        }
        if !matched {
            let example = parameters.last().map_or("", |parameter| parameter.name.as_str());
            let expected = format!("no parameter has a name with a match; names are like {example}");
            return Err(wrong(regex.as_str(), rate, &expected));
        }
    }
    Ok(found.into_iter().map(|(id, (rate, _))| (id, rate / args.learning_rate)).collect())
}

fn wrong(pattern: &str, rate: f64, expected: &str) -> Error {
    let value = json!({pattern: rate}).to_string();
    Error::Argument { key: "learning_rate_mapping", value, expected: expected.to_owned().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Vec<Parameter> {
        let names =
            ["encoder.layer.0.output.dense.weight", "encoder.layer.1.output.dense.weight", "1_Dense.linear.weight"];
        names
            .map(|name| Parameter { name: name.to_owned(), id: ParamId::new(), shape: Vec::new(), transposed: false })
            .into()
    }

    fn args<const N: usize>(learning_rate: f64, mapping: [(&str, f64); N]) -> TrainingArguments {
        let learning_rate_mapping = mapping.map(|(pattern, rate)| (pattern.to_owned(), rate)).into();
        TrainingArguments { learning_rate, learning_rate_mapping, ..Default::default() }
    }

    #[test]
    fn a_pattern_is_searched_for_in_the_name() {
        let parameters = parameters();
        let found = multipliers(&args(1e-5, [("1_Dense", 1e-4), (r"layer\.0\.", 0.0)]), &parameters).unwrap();
        let of = |index: usize| found.get(&parameters[index].id).copied();
        assert_eq!((of(0), of(1)), (Some(0.0), None));
        assert!((of(2).unwrap() - 10.0).abs() < 1e-12);
        assert!(multipliers(&args(0.0, []), &parameters).unwrap().is_empty());
    }

    #[test]
    fn a_pattern_that_does_nothing_or_too_much_is_named() {
        let refused = |args: TrainingArguments| multipliers(&args, &parameters()).unwrap_err().to_string();
        assert_eq!(
            refused(args(1e-5, [("^Dense", 1e-3)])),
            "training argument `learning_rate_mapping` is {\"^Dense\":0.001}; no parameter has a name with a match; names are like \
             1_Dense.linear.weight"
        );
        let twice = refused(args(1e-5, [("dense", 1e-3), ("layer", 1e-4)]));
        assert!(twice.contains("\"dense\" matches encoder.layer.0.output.dense.weight, too; "), "{twice}");
        let broken = refused(args(1e-5, [("(?=x)", 1e-3)]));
        assert!(broken.contains("has to be a regular expression (look-around") && !broken.contains('\n'), "{broken}");
        assert!(refused(args(1e-5, [("x", -1.0)])).contains("a finite rate of at least 0 is expected"));
        assert!(refused(args(0.0, [("x", 1.0)])).contains("`learning_rate` is 0; "));
    }
}
