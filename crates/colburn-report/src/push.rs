//! `push_to_hub`: the results of a run are uploaded to a repository on the Hugging Face hub, during the run and at its end, as transformers'
//! `Trainer` does it.
//!
//! The repository is made before any work, which fails at once without a token that may do that. Checkpoints are uploaded during training by
//! a thread of their own, from hard links, so that a rotation of the checkpoints does not take their files away. An upload that fails is
//! reported and counted, and training continues: the results can be uploaded from `output_dir` later.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use colburn_hub::{Hub, RepoId, UploadOptions};
use tempfile::TempDir;

use crate::console::Console;
use crate::error::{Error, Result};
use crate::hub_strategy::HubStrategy;
use crate::reporter::Reporter;
use crate::run::{Ending, RunContext};

/// The start of the names of the folders in `output_dir` from which checkpoints are uploaded; a killed process may leave some.
pub const TEMPORARY_PREFIX: &str = ".tmp-push-";

/// The folder of the repository for the last checkpoint, as in transformers.
const LAST: &str = "last-checkpoint";

/// The files of `output_dir` that are not uploaded: checkpoints, which have a strategy of their own, hidden files, and wandb's files, which
/// name the machine and its folders.
const NOT_RESULTS: [&str; 5] = ["_*", "checkpoint-*", ".*", "*/.*", "wandb/*"];

/// The repository and the rules of the uploads of a run.
#[derive(Clone, Debug)]
pub struct PushOptions {
    /// The repository, as [`repository`] gives it.
    pub repo: RepoId,
    /// The branch that uploads go to, made if it does not exist; `main` if not given.
    pub revision: Option<String>,
    /// True if a new repository is private; the organisation's setting if not given.
    pub private: Option<bool>,
    /// The uploads before the end of the run.
    pub strategy: HubStrategy,
    /// True if a checkpoint is uploaded even if the upload of an earlier one is still running; it waits until that is done.
    pub always_push: bool,
    /// True if the messages of commits count epochs instead of steps.
    pub epochs_in_messages: bool,
    /// The folder of the run.
    pub output_dir: PathBuf,
    /// Names of the files of a checkpoint that are not part of its model.
    pub training_files: Vec<String>,
}

/// The result of the uploads of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOutput {
    /// The repository, `org/name`.
    pub repo: String,
    /// The address of the last commit; none if no upload has succeeded.
    pub url: Option<String>,
    /// Uploads that were started.
    pub uploads: usize,
    /// Those that failed.
    pub failed: usize,
    /// The error of the last one of them.
    pub last_error: Option<String>,
}

/// Uploads the results of a run. It comes last among the reporters, when all files are written.
pub struct Push {
    options: PushOptions,
    target: Target,
    worker: Option<Worker>,
}

/// The uploads of a [`Push`] up to now, also after it was given to a trainer.
#[derive(Clone)]
pub struct PushStatus {
    output: Arc<Mutex<PushOutput>>,
}

/// The repository and the record of uploads; its clones are the same.
#[derive(Clone)]
struct Target {
    hub: Hub,
    repo: RepoId,
    revision: Option<String>,
    console: Console,
    status: PushStatus,
}

/// The thread that uploads, and the number of its jobs that are not done.
struct Worker {
    jobs: Sender<Job>,
    waiting: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// A checkpoint that is to be uploaded.
struct Job {
    /// Links to its files; removed with this.
    folder: TempDir,
    what: String,
    uploads: Vec<UploadOptions>,
}

/// The repository that the arguments name: `hub_model_id`, or else one with the name of `output_dir`, as in transformers.
///
/// # Errors
/// [`Error::Argument`] when this cannot be a repository, or `hub_revision` cannot be a revision.
pub fn repository(hub_model_id: Option<&str>, output_dir: &Path, hub_revision: Option<&str>) -> Result<RepoId> {
    let wrong = |key, value: &str, expected: String| Error::Argument { key, value: format!("{value:?}"), expected };
    let given = hub_model_id.map(str::to_owned).unwrap_or_else(|| {
        let folder = std::path::absolute(output_dir).unwrap_or_else(|_| output_dir.to_owned());
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    });
    let repo: RepoId =
        given.parse().map_err(|error: colburn_hub::Error| wrong("hub_model_id", &given, error.to_string()))?;
    if given.contains('@') {
        let expected = "a repository without a revision is expected; the branch goes into `hub_revision`";
        return Err(wrong("hub_model_id", &given, expected.to_owned()));
    }
    if let Some(revision) = hub_revision {
        repo.at(revision).map_err(|error| wrong("hub_revision", revision, error.to_string()))?;
    }
    Ok(repo)
}

impl PushStatus {
    /// The result of the uploads up to now.
    pub fn output(&self) -> PushOutput {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, PushOutput> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    /// Uploads a folder, and counts the result.
    fn upload(&self, folder: &Path, what: &str, options: UploadOptions) {
        let options = UploadOptions { revision: self.revision.clone(), ..options };
        match self.hub.upload_folder(&self.repo, folder, options) {
            Ok(url) => {
                self.console.say(&format!("uploaded {what}: {url}"));
                let mut output = self.status.lock();
                output.uploads += 1;
                output.url = Some(url);
            }
            Err(error) => self.failed(what, &error.to_string()),
        }
    }

    fn failed(&self, what: &str, error: &str) {
        tracing::warn!("{what} was not uploaded, and training continues: {error}");
        let mut output = self.status.lock();
        output.uploads += 1;
        output.failed += 1;
        output.last_error = Some(error.to_owned());
    }
}

impl Push {
    /// Makes the repository, and the branch if one is given.
    ///
    /// # Errors
    /// When the hub refuses: there is no token, or it may not write there.
    pub fn new(options: PushOptions, hub: Hub, console: &Console) -> Result<Self> {
        if options.private.is_none() && options.repo.owner().is_some() {
            tracing::warn!(
                "hub_private_repo is not set: a new repository is public, whatever its organisation's default is"
            );
        }
        let repo = hub.create_repo(&options.repo, options.private)?;
        if let Some(revision) = &options.revision {
            hub.create_branch(&repo, revision)?;
        }
        console.say(&format!("the model will be uploaded to {}", repo.name()));
        let output = PushOutput { repo: repo.name().to_owned(), ..PushOutput::default() };
        let status = PushStatus { output: Arc::new(Mutex::new(output)) };
        let target = Target { hub, repo, revision: options.revision.clone(), console: console.clone(), status };
        Ok(Self { options, target, worker: None })
    }

    /// The full name of the repository.
    pub fn repo(&self) -> &str {
        self.target.repo.name()
    }

    /// A handle on the result of the uploads.
    pub fn status(&self) -> PushStatus {
        self.target.status.clone()
    }

    /// The uploads of a checkpoint: its model to the root of the repository and, if the strategy says so, the whole of it into a folder.
    fn uploads(&self, run: RunContext<'_>, checkpoint: &Path) -> Vec<UploadOptions> {
        let message = match self.options.epochs_in_messages {
            true => format!("Training in progress, epoch {}", run.state.epoch as usize),
            false => format!("Training in progress, step {}", run.state.global_step),
        };
        let folder = match self.options.strategy {
            HubStrategy::End | HubStrategy::EverySave => None,
            HubStrategy::Checkpoint => Some(LAST.to_owned()),
            HubStrategy::AllCheckpoints => checkpoint.file_name().map(|name| name.to_string_lossy().into_owned()),
        };
        let model = UploadOptions {
            commit_message: Some(message.clone()),
            ignore_patterns: self.options.training_files.clone(),
            ..UploadOptions::default()
        };
        let whole = folder.map(|folder| UploadOptions {
            path_in_repo: Some(folder),
            commit_message: Some(format!("{message}, checkpoint")),
            ..UploadOptions::default()
        });
        std::iter::once(model).chain(whole).collect()
    }

    fn start_upload(&mut self, run: RunContext<'_>, checkpoint: &Path) -> Result<()> {
        let dir = &self.options.output_dir;
        let folder = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(dir).map_err(Error::io(dir))?;
        link_tree(checkpoint, folder.path())?;
        let what = checkpoint.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let job = Job { folder, what, uploads: self.uploads(run, checkpoint) };
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.target.clone())?,
        };
        worker.waiting.fetch_add(1, Ordering::SeqCst);
        // The thread ends only when this sender is gone.
        let _ = worker.jobs.send(job);
        self.worker = Some(worker);
        Ok(())
    }

    /// Waits for the uploads that are running.
    fn wait(&mut self) {
        let Some(Worker { jobs, waiting, thread }) = self.worker.take() else { return };
        if waiting.load(Ordering::SeqCst) > 0 {
            self.target.console.say("waiting for the upload of the last checkpoint");
        }
        drop(jobs);
        if thread.join().is_err() {
            self.target.failed("a checkpoint", "the thread of the uploads has stopped");
        }
    }

    fn say_failures(&self) {
        let PushOutput { repo, uploads, failed, last_error, .. } = self.target.status.output();
        if let Some(error) = last_error {
            let line = format!("{failed} of {uploads} uploads to {repo} failed; the last error: {error}");
            self.target.console.say(&line);
        }
    }
}

impl Worker {
    fn start(target: Target) -> Result<Self> {
        let (jobs, receiver) = channel::<Job>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = waiting.clone();
        let upload = move || {
            for Job { folder, what, uploads } in receiver {
                for options in uploads {
                    target.upload(folder.path(), &what, options);
                }
                // Before the count: when it is 0, no link is left.
                drop(folder);
                left.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let thread = std::thread::Builder::new().name("push_to_hub".to_owned()).spawn(upload);
        let thread = thread.map_err(Error::io("the thread of the uploads"))?;
        Ok(Self { jobs, waiting, thread })
    }
}

impl Drop for Push {
    /// The last checkpoint of a run that fails is still uploaded.
    fn drop(&mut self) {
        self.wait();
    }
}

impl Reporter for Push {
    fn name(&self) -> String {
        "push_to_hub".to_owned()
    }

    fn saved(&mut self, run: RunContext<'_>, checkpoint: &Path) -> Result<()> {
        if self.options.strategy == HubStrategy::End {
            return Ok(());
        }
        let busy = self.worker.as_ref().is_some_and(|worker| worker.waiting.load(Ordering::SeqCst) > 0);
        if busy && !self.options.always_push {
            tracing::info!("{} is not uploaded: an earlier upload is still running", checkpoint.display());
            return Ok(());
        }
        if let Err(error) = self.start_upload(run, checkpoint) {
            self.target.failed(&checkpoint.display().to_string(), &error.to_string());
        }
        Ok(())
    }

    fn end(&mut self, _: RunContext<'_>, ending: Ending) -> Result<()> {
        self.wait();
        // An interrupted run leaves its checkpoint and no other model.
        if ending != Ending::Interrupted {
            let options = UploadOptions {
                commit_message: Some("End of training".to_owned()),
                ignore_patterns: NOT_RESULTS.map(str::to_owned).to_vec(),
                ..UploadOptions::default()
            };
            self.target.upload(&self.options.output_dir, "the model", options);
        }
        self.say_failures();
        Ok(())
    }
}

/// Puts every file below `from` into the folder `to` as well: as a hard link, or as a copy where the file system has no links. Links keep
/// their content because a run replaces its files as a whole.
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(Error::io(to))?;
    for entry in fs::read_dir(from).map_err(Error::io(from))? {
        let entry = entry.map_err(Error::io(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(Error::io(&path))?.is_dir() {
            link_tree(&path, &target)?;
        } else {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(drop)).map_err(Error::io(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_the_name_of_the_folder_unless_it_has_one() {
        let name = |id: Option<&str>, dir: &str| repository(id, Path::new(dir), None).map(|repo| repo.to_string());
        assert_eq!(name(Some("org/name"), "output/run").unwrap(), "org/name");
        assert_eq!(name(None, "output/run").unwrap(), "run");
        for (id, dir, key) in [(Some("a/b/c"), "x", "`hub_model_id` is \"a/b/c\""), (None, "my run", "\"my run\"")] {
            let message = name(id, dir).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
        let message = name(Some("a/b@main"), "x").unwrap_err().to_string();
        assert!(message.contains("the branch goes into `hub_revision`"), "{message}");
        let message = repository(Some("a/b"), Path::new("x"), Some("../y")).unwrap_err().to_string();
        assert!(message.contains("`hub_revision` is \"../y\""), "{message}");
        repository(Some("a/b"), Path::new("x"), Some("refs/pr/1")).unwrap();
    }

    #[test]
    fn links_outlast_their_source() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("within")).unwrap();
        fs::write(from.join("a"), "a").unwrap();
        fs::write(from.join("within/b"), "b").unwrap();
        link_tree(&from, &to).unwrap();
        fs::remove_dir_all(&from).unwrap();
        assert_eq!(
            (fs::read(to.join("a")).unwrap(), fs::read(to.join("within/b")).unwrap()),
            (b"a".to_vec(), b"b".to_vec())
        );
        assert!(link_tree(&from, &to).unwrap_err().to_string().contains("from: "));
    }
}
