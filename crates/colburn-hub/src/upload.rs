//! Uploads: making a repository or branch, and putting a folder into it in one commit.

use std::{fs, path::Path};

use hf_hub::{HFError, RepoTypeModel, repository::CommitOperation};

use crate::{Error, Hub, RepoId, RepoKind, Result, error::io, failure::Resource, hub::RetryPolicy, pattern::Pattern};

/// Files that are never uploaded: those of git and huggingface_hub (its `DEFAULT_IGNORE_PATTERNS`).
const NEVER: [&str; 6] =
    [".git", ".git/*", "*/.git/*", ".cache/huggingface", ".cache/huggingface/*", "*/.cache/huggingface/*"];

/// The options of an upload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// The target folder in the repository; the default is its root.
    pub path_in_repo: Option<String>,
    /// The commit message; the default is "Upload folder using colburn".
    pub commit_message: Option<String>,
    /// The target branch, if not that of the [`RepoId`].
    pub revision: Option<String>,
    /// Files to leave out, by their paths in the folder: `*` stands for any characters, `/` among them, `?` for one (Python's fnmatch,
    /// as in `upload_folder` of huggingface_hub). A pattern with `/` at its end means everything in that folder.
    pub ignore_patterns: Vec<String>,
}

impl Hub {
    /// Makes a repository for a model, unless it exists. A new one is public unless `private` is true. Returns the full name: without an owner,
    /// the repository belongs to the owner of the token.
    ///
    /// # Errors
    /// When there is no token or it may not write to the repository, or the network fails.
    pub fn create_repo(&self, id: &RepoId, private: Option<bool>) -> Result<RepoId> {
        let resource = Resource::of(RepoKind::Model, id).writing();
        self.check_token(&resource)?;
        let id = match id.owner() {
            Some(_) => id.clone(),
            None => id.owned_by(&self.ask_soon(&resource, |client| client.whoami().send())?.username)?,
        };
        let resource = Resource::of(RepoKind::Model, &id).writing();
        let wanted = id.clone();
        self.ask_soon(&resource, move |client| {
            let request = client.create_repository().repo_id(wanted.name()).repo_type(RepoTypeModel).exist_ok(true);
            match request.maybe_private(private).send() {
                // A token may be allowed to write to a repository, but not to make one. A request for the branch that every
                // repository has tells.
                Err(HFError::Forbidden { context }) => {
                    let (owner, name) = hf_hub::split_id(wanted.name());
                    let repository = client.model(owner, name);
                    if !repository.exists().send().unwrap_or(false) {
                        return Err(HFError::Forbidden { context });
                    }
                    match repository.create_branch().branch("main").send() {
                        Err(HFError::Conflict { .. }) => Ok(()),
                        other => other,
                    }
                }
                other => other.map(drop),
            }
        })?;
        Ok(id)
    }

    /// Makes a branch of a model's repository, unless it exists.
    ///
    /// # Errors
    /// As [`Hub::create_repo`].
    pub fn create_branch(&self, id: &RepoId, branch: &str) -> Result<()> {
        let resource = Resource::of(RepoKind::Model, &id.at(branch)?).writing();
        self.check_token(&resource)?;
        let (id, branch) = (id.clone(), branch.to_owned());
        self.ask_soon(&resource, move |client| {
            let (owner, name) = hf_hub::split_id(id.name());
            let repository = client.model(owner, name);
            if repository.revision_exists().revision(&branch).send()? {
                return Ok(());
            }
            match repository.create_branch().branch(&branch).send() {
                Err(HFError::Conflict { .. }) => Ok(()),
                other => other,
            }
        })
    }

    /// Uploads the files of a folder to a model's repository in one commit, and returns the address of the commit. Other files of the
    /// repository stay; those of git and the cache are not uploaded.
    ///
    /// # Errors
    /// When the folder cannot be read or has no files, when there is no answer within half an hour and a second for each megabyte, and as
    /// [`Hub::create_repo`].
    pub fn upload_folder(&self, id: &RepoId, folder: impl AsRef<Path>, options: UploadOptions) -> Result<String> {
        let id = match &options.revision {
            Some(revision) => id.at(revision)?,
            None => id.clone(),
        };
        let resource = Resource::of(RepoKind::Model, &id).writing();
        self.check_token(&resource)?;
        let folder = folder.as_ref();
        let target =
            target(options.path_in_repo.as_deref().unwrap_or_default()).map_err(|message| resource.error(message))?;
        let (mut operations, mut bytes) = (Vec::new(), 0);
        let mut names = files(folder, "")?;
        names.retain(|name| !is_ignored(name, &options.ignore_patterns));
        names.sort();
        for name in names {
            let path = folder.join(&name);
            bytes += fs::metadata(&path).map_err(io(&path))?.len();
            operations.push(CommitOperation::add_file(format!("{target}{name}"), path));
        }
        if operations.is_empty() {
            return Err(resource.error(format!("{} has no file to upload", folder.display())));
        }
        let message = options.commit_message.unwrap_or_else(|| "Upload folder using colburn".to_owned());
        let wanted = id.clone();
        let commit = self.ask(&resource, RetryPolicy::upload(bytes), move |client| {
            let (owner, name) = hf_hub::split_id(wanted.name());
            let repository = client.model(owner, name);
            let commit = repository.create_commit().operations(operations.clone());
            commit.commit_message(message.as_str()).revision(wanted.revision()).send()
        })?;
        Ok(commit.commit_url.unwrap_or_else(|| self.address(RepoKind::Model, &id)))
    }

    fn check_token(&self, resource: &Resource) -> Result<()> {
        match self.settings.token {
            Some(_) => Ok(()),
            None => Err(resource
                .error("uploading takes a token with write access: set HF_TOKEN, or log in with `hf auth login`")),
        }
    }
}

/// The files below a folder, by their paths in it with `/` between. Links are followed: a snapshot of the cache is made of them.
fn files(folder: &Path, prefix: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidData, "a name in UTF-8 is expected by the hub");
            return Err(Error::Io { path, source });
        };
        let name = format!("{prefix}{name}");
        if is_ignored(&name, &[]) {
            continue;
        }
        let metadata = fs::metadata(&path).map_err(io(&path))?;
        match metadata.is_dir() {
            true => found.extend(files(&path, &format!("{name}/"))?),
            false if metadata.is_file() => found.push(name),
            false => {}
        }
    }
    Ok(found)
}

fn is_ignored(name: &str, patterns: &[String]) -> bool {
    let given = patterns.iter().map(|pattern| match pattern.strip_suffix('/') {
        Some(folder) => Pattern::fnmatch(&format!("{folder}/*")),
        None => Pattern::fnmatch(pattern),
    });
    NEVER.iter().map(|pattern| Pattern::fnmatch(pattern)).chain(given).any(|pattern| pattern.matches(name))
}

/// The target folder with a slash after it; empty for the root.
fn target(path: &str) -> std::result::Result<String, String> {
    let path = path.trim_matches('/').trim_start_matches("./");
    if path.is_empty() || path == "." {
        return Ok(String::new());
    }
    match path.split('/').any(|part| part.is_empty() || part == "." || part == "..") || path.contains('\\') {
        true => Err(format!("path_in_repo = {path:?} is not a folder of a repository")),
        false => Ok(format!("{path}/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_below_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "config.json",
            "1_Dense/model.safetensors",
            ".git/HEAD",
            ".cache/huggingface/x",
            "a/.git/HEAD",
            ".gitattributes",
        ] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let mut found = files(folder.path(), "").unwrap();
        found.sort();
        assert_eq!(found, [".gitattributes", "1_Dense/model.safetensors", "config.json"]);
        assert!(files(&folder.path().join("absent"), "").unwrap_err().to_string().contains("absent"));
    }

    // >>> list(huggingface_hub.utils.filter_repo_objects(items, ignore_patterns=[…]))
    #[test]
    fn patterns_leave_files_out() {
        let patterns = |patterns: &[&str]| patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>();
        assert!(is_ignored("checkpoint-5/model.safetensors", &patterns(&["_*", "checkpoint-*"])));
        assert!(is_ignored("_x", &patterns(&["_*"])));
        assert!(is_ignored("eval/a.csv", &patterns(&["eval/"])));
        assert!(!is_ignored("evaluation.csv", &patterns(&["eval/"])));
        assert!(!is_ignored("model.safetensors", &patterns(&["_*", "checkpoint-*"])));
    }

    #[test]
    fn a_target_is_a_folder_of_the_repository() {
        for (path, expected) in
            [("", ""), (".", ""), ("/", ""), ("last-checkpoint", "last-checkpoint/"), ("a/b/", "a/b/")]
        {
            assert_eq!(target(path).unwrap(), expected);
        }
        for path in ["..", "a/../b", "a//b", "a\\b"] {
            assert!(target(path).unwrap_err().contains("path_in_repo"), "{path}");
        }
    }
}
