//! `push_to_hub`: what a run leaves goes to a repository on the Hugging Face hub, while it trains and at its end, as transformers' `Trainer`
//! uploads it.
//!
//! Before any work the repository is made, which fails at once without a token that may do that. Uploads of checkpoints go on beside the
//! training, in a thread of their own, from hard links that a rotation of the checkpoints does not take away. One that fails is told, and
//! counted, and the training goes on: what is lost can be uploaded from `output_dir`.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use colburn_hub::{Hub, RepoId, UploadOptions};
use tempfile::TempDir;

use crate::progress::Progress;
use crate::report::Ending;
use crate::{
    Callback, Error, HubStrategy, Moment, Result, SaveStrategy, TrainerControl, TrainingArguments, checkpoint, files,
    manifest,
};

/// The folder of the repository for the last checkpoint, as in transformers.
const LAST: &str = "last-checkpoint";

/// What of a checkpoint is no part of its model.
const NO_MODEL: [&str; 4] = [checkpoint::OPTIMIZER, checkpoint::SCHEDULER, manifest::NAME, crate::TRAINER_STATE_NAME];

/// What of `output_dir` is not uploaded: checkpoints, which have a strategy of their own, what is hidden, and wandb's files, which name the
/// machine and its folders.
const NO_RESULT: [&str; 5] = ["_*", "checkpoint-*", ".*", "*/.*", "wandb/*"];

/// What has become of the uploads of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushOutput {
    /// The repository, `org/name`.
    pub repo: String,
    /// The address of the last commit; none if no upload has succeeded.
    pub url: Option<String>,
    /// Uploads that were begun.
    pub uploads: usize,
    /// Those that failed.
    pub failed: usize,
    /// Why the last one of them did.
    pub last_error: Option<String>,
}

/// The uploads of a run: a callback, so that a run knows nothing of them.
pub(crate) struct Pusher {
    target: Target,
    strategy: HubStrategy,
    always: bool,
    worker: Option<Worker>,
}

/// Where uploads go, and what has become of them; its clones are the same.
#[derive(Clone)]
pub(crate) struct Target {
    hub: Hub,
    repo: RepoId,
    revision: Option<String>,
    progress: Progress,
    output: Arc<Mutex<PushOutput>>,
}

/// The thread that uploads, and how much it still has to do.
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
/// [`Error::Argument`] when it can be no repository, or there can be no such revision.
pub(crate) fn repo(args: &TrainingArguments) -> Result<RepoId> {
    let wrong = |key, value: &str, error: &colburn_hub::Error| Error::Argument {
        key,
        value: format!("{value:?}"),
        expected: error.to_string().into(),
    };
    let given = args.hub_model_id.clone().unwrap_or_else(|| {
        let folder = std::path::absolute(&args.output_dir).unwrap_or_else(|_| args.output_dir.clone());
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    });
    let repo: RepoId = given.parse().map_err(|error| wrong("hub_model_id", &given, &error))?;
    if given.contains('@') {
        let expected = "a repository without a revision is expected; the branch goes into `hub_revision`".into();
        return Err(Error::Argument { key: "hub_model_id", value: format!("{given:?}"), expected });
    }
    if let Some(revision) = &args.hub_revision {
        repo.at(revision).map_err(|error| wrong("hub_revision", revision, &error))?;
    }
    Ok(repo)
}

/// Makes the repository, if the arguments ask for uploads; `hub` is the one of the environment if not given.
///
/// # Errors
/// When the hub refuses: there is no token, or it may not write there.
pub(crate) fn begin(args: &TrainingArguments, hub: Option<Hub>, progress: &Progress) -> Result<Option<Pusher>> {
    if !args.push_to_hub {
        return Ok(None);
    }
    let hub = hub.unwrap_or_else(Hub::from_env);
    if args.hub_private_repo.is_none() && args.hub_model_id.as_ref().is_some_and(|id| id.contains('/')) {
        tracing::warn!(
            "hub_private_repo is not set: a new repository is public, whatever its organisation's default is"
        );
    }
    let repo = hub.create_repo(&repo(args)?, args.hub_private_repo)?;
    if let Some(revision) = &args.hub_revision {
        hub.create_branch(&repo, revision)?;
    }
    progress.say(&format!("the model will be uploaded to {}", repo.name()));
    let output = PushOutput { repo: repo.name().to_owned(), ..PushOutput::default() };
    let output = Arc::new(Mutex::new(output));
    let target = Target { hub, repo, revision: args.hub_revision.clone(), progress: progress.clone(), output };
    Ok(Some(Pusher { target, strategy: args.hub_strategy, always: args.hub_always_push, worker: None }))
}

impl Target {
    /// The full name of the repository.
    pub fn repo(&self) -> String {
        self.repo.name().to_owned()
    }

    /// What has become of the uploads.
    pub fn output(&self) -> PushOutput {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, PushOutput> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads a folder, and notes what came of it.
    fn upload(&self, folder: &Path, what: &str, options: UploadOptions) {
        let options = UploadOptions { revision: self.revision.clone(), ..options };
        match self.hub.upload_folder(&self.repo, folder, options) {
            Ok(url) => {
                self.progress.say(&format!("uploaded {what}: {url}"));
                let mut output = self.lock();
                output.uploads += 1;
                output.url = Some(url);
            }
            Err(error) => self.failed(what, &error.to_string()),
        }
    }

    fn failed(&self, what: &str, error: &str) {
        tracing::warn!("{what} was not uploaded, and training goes on: {error}");
        let mut output = self.lock();
        output.uploads += 1;
        output.failed += 1;
        output.last_error = Some(error.to_owned());
    }
}

impl Pusher {
    /// Where the uploads go.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// What is uploaded of a checkpoint: its model to the root of the repository, and the whole of it into a folder if it is wanted.
    fn uploads(&self, now: Moment<'_>, checkpoint: &Path) -> Vec<UploadOptions> {
        let message = match now.args.save_strategy {
            SaveStrategy::Epoch => format!("Training in progress, epoch {}", now.state.epoch as usize),
            _ => format!("Training in progress, step {}", now.state.global_step),
        };
        let folder = match self.strategy {
            HubStrategy::End | HubStrategy::EverySave => None,
            HubStrategy::Checkpoint => Some(LAST.to_owned()),
            HubStrategy::AllCheckpoints => checkpoint.file_name().map(|name| name.to_string_lossy().into_owned()),
        };
        let model = UploadOptions {
            commit_message: Some(message.clone()),
            ignore_patterns: NO_MODEL.map(str::to_owned).to_vec(),
            ..UploadOptions::default()
        };
        let whole = folder.map(|folder| UploadOptions {
            path_in_repo: Some(folder),
            commit_message: Some(format!("{message}, checkpoint")),
            ..UploadOptions::default()
        });
        std::iter::once(model).chain(whole).collect()
    }

    fn push(&mut self, now: Moment<'_>, checkpoint: &Path) -> Result<()> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{}{}", files::TEMPORARY, crate::output::PUSH))
            .tempdir_in(&now.args.output_dir)
            .map_err(Error::io(&now.args.output_dir))?;
        files::link_tree(checkpoint, folder.path())?;
        let what = checkpoint.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let job = Job { folder, what, uploads: self.uploads(now, checkpoint) };
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

    /// Waits for what is being uploaded.
    fn wait(&mut self) {
        let Some(Worker { jobs, waiting, thread }) = self.worker.take() else { return };
        if waiting.load(Ordering::SeqCst) > 0 {
            self.target.progress.say("waiting for the upload of the last checkpoint");
        }
        drop(jobs);
        if thread.join().is_err() {
            self.target.failed("a checkpoint", "the thread of the uploads has stopped");
        }
    }

    fn tell(&self) {
        let PushOutput { repo, uploads, failed, last_error, .. } = self.target.output();
        if let Some(error) = last_error {
            let line = format!("{failed} of {uploads} uploads to {repo} failed; the last error: {error}");
            self.target.progress.say(&line);
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
                // Before the count: whoever sees it at 0 finds no links any more.
                drop(folder);
                left.fetch_sub(1, Ordering::SeqCst);
            }
        };
        let thread = std::thread::Builder::new().name("push_to_hub".to_owned()).spawn(upload);
        let thread = thread.map_err(Error::io("the thread of the uploads"))?;
        Ok(Self { jobs, waiting, thread })
    }
}

impl Drop for Pusher {
    /// A run that ends by an error has still given its last checkpoint away.
    fn drop(&mut self) {
        self.wait();
    }
}

impl Callback for Pusher {
    fn name(&self) -> String {
        "push_to_hub".to_owned()
    }

    fn on_save(&mut self, now: Moment<'_>, _: &mut TrainerControl, checkpoint: &Path) -> Result<()> {
        if self.strategy == HubStrategy::End {
            return Ok(());
        }
        let busy = self.worker.as_ref().is_some_and(|worker| worker.waiting.load(Ordering::SeqCst) > 0);
        if busy && !self.always {
            tracing::info!("{} is not uploaded: the upload before is still going on", checkpoint.display());
            return Ok(());
        }
        if let Err(error) = self.push(now, checkpoint) {
            self.target.failed(&checkpoint.display().to_string(), &error.to_string());
        }
        Ok(())
    }

    fn on_train_end(&mut self, now: Moment<'_>, control: &mut TrainerControl) -> Result<()> {
        self.wait();
        // An interrupted run has left no model but its checkpoint.
        if Ending::of(now, control) != Ending::Interrupted {
            let options = UploadOptions {
                commit_message: Some("End of training".to_owned()),
                ignore_patterns: NO_RESULT.map(str::to_owned).to_vec(),
                ..UploadOptions::default()
            };
            self.target.upload(&now.args.output_dir, "the model", options);
        }
        self.tell();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(hub_model_id: Option<&str>, output_dir: &str, hub_revision: Option<&str>) -> TrainingArguments {
        TrainingArguments {
            push_to_hub: true,
            output_dir: output_dir.into(),
            hub_model_id: hub_model_id.map(str::to_owned),
            hub_revision: hub_revision.map(str::to_owned),
            ..Default::default()
        }
    }

    #[test]
    fn a_repository_has_the_name_of_the_folder_unless_it_has_one() {
        let name = |id: Option<&str>, dir: &str| repo(&args(id, dir, None)).map(|repo| repo.to_string());
        assert_eq!(name(Some("org/name"), "output/run").unwrap(), "org/name");
        assert_eq!(name(None, "output/run").unwrap(), "run");
        for (id, dir, key) in [(Some("a/b/c"), "x", "`hub_model_id` is \"a/b/c\""), (None, "my run", "\"my run\"")] {
            let message = name(id, dir).unwrap_err().to_string();
            assert!(message.contains(key), "{message}");
        }
        let message = name(Some("a/b@main"), "x").unwrap_err().to_string();
        assert!(message.contains("the branch goes into `hub_revision`"), "{message}");
        let message = repo(&args(Some("a/b"), "x", Some("../y"))).unwrap_err().to_string();
        assert!(message.contains("`hub_revision` is \"../y\""), "{message}");
        repo(&args(Some("a/b"), "x", Some("refs/pr/1"))).unwrap();
    }
}
