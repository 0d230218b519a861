//! A run of `colburn train` on the card. Its caches lie in a folder of the benchmark, so that nothing outside decides how fast it starts.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::setup::Setup;
use super::workload::Workload;
use crate::bench::child::{self, Running};
use crate::bench::job::{self, DOCUMENT_LENGTH, Job, Step};
use crate::result::Result;

/// Steps between two logs. Each log waits for the card.
const LOGGING_STEPS: usize = 5;

/// Trains some steps in an empty folder. The observer gets the log, which is there from the first step on.
pub fn train<T: Send>(
    setup: &Setup,
    step: &str,
    workload: &Workload,
    steps: usize,
    caches: &Path,
    observer: impl FnOnce(&Running, PathBuf) -> T + Send,
) -> Result<(Vec<Step>, T)> {
    let output = setup.folder.empty("trained")?;
    let job = Job {
        model: &setup.model(workload.model),
        data: &setup.options.triplets,
        batch_size: workload.batch_size,
        steps,
        logging_steps: if steps.is_multiple_of(LOGGING_STEPS) { LOGGING_STEPS } else { 1 },
        document_length: DOCUMENT_LENGTH,
        precision: workload.precision,
    };
    let mut command = Command::new(&setup.colburn);
    command.arg("train").arg(job.write(&output)?).args(["--device", &setup.options.device]);
    // Caches lie below the working folder, the home folder or the driver's folder.
    command.current_dir(caches);
    for name in ["HOME", "XDG_CACHE_HOME", "CUDA_CACHE_PATH"] {
        command.env(name, caches);
    }
    let log = job::log(&output);
    let (finished, observed) =
        child::run_observed(step, &mut command, &setup.folder.0, |running| observer(running, log))?;
    finished.succeeded(step)?;
    Ok((job.steps(&output)?, observed))
}
