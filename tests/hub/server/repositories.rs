//! The content of the hub: repositories with branches, commits and files.

use std::{collections::BTreeMap, fs, path::Path};

use super::http::{Fault, Request};

/// All of the hub.
pub struct State {
    pub endpoint: String,
    /// The address of the large files.
    pub files: String,
    /// By kind (`models`, `datasets`) and name.
    pub repositories: BTreeMap<(String, String), Repository>,
    pub requests: Vec<Request>,
    pub faults: Vec<(Vec<String>, usize, Fault)>,
    /// The number of files on a page of a listing.
    pub page: usize,
}

/// A repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// The commits of branches and tags.
    pub branches: BTreeMap<String, String>,
    pub commits: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    pub messages: Vec<String>,
    pub private: bool,
    /// Only for those whom its owner has let in: nobody.
    pub gated: bool,
}

impl State {
    pub fn new(endpoint: &str, files: &str) -> Self {
        let (endpoint, files) = (endpoint.to_owned(), files.to_owned());
        Self { endpoint, files, repositories: BTreeMap::new(), requests: Vec::new(), faults: Vec::new(), page: 1000 }
    }

    /// The repository, made if it is not there.
    pub fn repository(&mut self, kind: &str, name: &str) -> &mut Repository {
        self.repositories.entry((kind.to_owned(), name.to_owned())).or_default()
    }

    /// The failure that is set for this request, if any.
    pub fn fault(&mut self, request: &Request) -> Option<Fault> {
        let line = request.line();
        let due = |(words, times, _): &&mut (Vec<String>, usize, Fault)| {
            *times > 0 && words.iter().all(|word| line.contains(word))
        };
        let (_, times, fault) = self.faults.iter_mut().find(due)?;
        *times -= 1;
        Some(fault.clone())
    }
}

impl Repository {
    /// Puts files on a branch, besides those that are there; gives the commit.
    pub fn commit(&mut self, branch: &str, files: &[(&str, &[u8])]) -> String {
        let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), Some(bytes.to_vec()))).collect();
        self.change(branch, files)
    }

    /// Puts all files of a folder on a branch.
    pub fn commit_folder(&mut self, branch: &str, folder: &Path) -> String {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(folder).expect("below").to_str().expect("UTF-8").replace('\\', "/");
                    files.push((name, Some(fs::read(&path).expect("a file"))));
                }
            }
        }
        self.change(branch, files)
    }

    /// Writes or deletes files on a branch.
    pub fn change(&mut self, branch: &str, files: Vec<(String, Option<Vec<u8>>)>) -> String {
        let mut all =
            self.branches.get(branch).and_then(|commit| self.commits.get(commit)).cloned().unwrap_or_default();
        for (path, bytes) in files {
            match bytes {
                Some(bytes) => all.insert(path, bytes),
                None => all.remove(&path),
            };
        }
        let names: Vec<String> = all.iter().map(|(path, bytes)| format!("{path} {}", name_of(bytes))).collect();
        let commit = name_of(format!("{branch} {} {names:?}", self.commits.len()).as_bytes());
        self.commits.insert(commit.clone(), all);
        self.branches.insert(branch.to_owned(), commit.clone());
        commit
    }

    /// The commit that a revision stands for, and its files.
    pub fn at(&self, revision: &str) -> Option<(&str, &BTreeMap<String, Vec<u8>>)> {
        let commit = self.branches.get(revision).map_or(revision, String::as_str);
        self.commits.get_key_value(commit).map(|(commit, files)| (commit.as_str(), files))
    }

    /// The files of the main branch.
    pub fn main(&self) -> &BTreeMap<String, Vec<u8>> {
        self.at("main").expect("a main branch").1
    }
}

/// Forty hexadecimal digits that follow from the bytes, as git's names do; of large files their ends and the length must do.
pub fn name_of(bytes: &[u8]) -> String {
    const END: usize = 1 << 12;
    let (first, last) = (&bytes[..bytes.len().min(END)], &bytes[bytes.len().saturating_sub(END)..]);
    let length = bytes.len().to_le_bytes();
    let all = || first.iter().chain(last).chain(&length);
    let hash = |seed: u64| all().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{:016x}{:016x}{:08x}", hash(0xcbf2_9ce4_8422_2325), hash(1), hash(2) >> 32)
}

/// True if the hub keeps a file out of git, at the other address.
pub fn is_large(path: &str) -> bool {
    [".safetensors", ".bin", ".parquet", ".model"].iter().any(|end| path.ends_with(end))
}
