//! The setup that all workloads on a GPU share: the binary, the models, and the card's rates.

use std::path::{Path, PathBuf};

use super::card::Card;
use super::options::Options;
use crate::bench::child;
use crate::bench::paths::Folder;
use crate::bench::python::{Python, words};
use crate::built::{MESSAGES, Programs};
use crate::cuda;
use crate::process::repository;
use crate::result::Result;

/// The vocabulary of the models with random weights.
const TOKENIZER: &str = "examples/data/bert-small";

/// Everything that a workload needs.
pub struct Setup {
    pub options: Options,
    pub folder: Folder,
    pub colburn: PathBuf,
    /// A Python with PyLate.
    pub python: Option<Python>,
    models: PathBuf,
    pub card: Card,
}

impl Setup {
    pub fn new(options: Options) -> Result<Self> {
        if !options.triplets.is_file() {
            return Err(format!("--triplets {}: no such file", options.triplets.display()));
        }
        let how = "install xtask/gpu/requirements.txt beside a torch with CUDA";
        let modules = ["torch", "pylate", "late_interaction_kernels"];
        let python =
            options.python.clone().map(|python| Python::new(python, "xtask/gpu", &modules, how)).transpose()?;
        let folder = Folder::new()?;
        let colburn = binary(&options)?;
        let models = options.models.clone().unwrap_or_else(|| folder.join("models"));
        make_models(&options, &models, python.as_ref(), &folder)?;
        let card = Card::measure(&options, python.as_ref(), &folder)?;
        Ok(Self { options, folder, colburn, python, models, card })
    }

    /// The folder of a model.
    pub fn model(&self, name: &str) -> PathBuf {
        self.models.join(name)
    }
}

/// The binary that was given or is built.
fn binary(options: &Options) -> Result<PathBuf> {
    if let Some(binary) = &options.binary {
        return if binary.is_file() {
            Ok(binary.clone())
        } else {
            Err(format!("--binary {}: no such file", binary.display()))
        };
    }
    let arguments = [cuda::BINARY.as_slice(), &MESSAGES].concat();
    let build = |cargo: &cuda::Cargo| Programs::build("build", &mut cargo.command(&arguments));
    cuda::build(options.stand_in.as_deref(), build)?.find("colburn")
}

/// Makes the models that the workloads need and the folder lacks.
fn make_models(options: &Options, models: &Path, python: Option<&Python>, folder: &Folder) -> Result<()> {
    let mut missing: Vec<&str> = options.workloads.iter().map(|workload| workload.model).collect();
    missing.sort_unstable();
    missing.dedup();
    missing.retain(|name| !models.join(name).join("config.json").is_file());
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    let Some(python) = python else {
        return Err(format!("no model {names} in {}; --python PYTHON makes them", models.display()));
    };
    let tokenizer = repository().join(TOKENIZER).display().to_string();
    let mut arguments = words(&[("--tokenizer", tokenizer), ("--folder", models.display().to_string())]);
    arguments.extend(missing.iter().map(|name| (*name).to_owned()));
    let step = format!("models with random weights: {names}");
    child::run(&step, &mut python.command("make_models.py", &arguments), &folder.0)?.succeeded(&step)?;
    Ok(())
}
