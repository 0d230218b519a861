//! Names to files, and files to names, against a small hub on threads of this process: what is asked for and what is not, what goes wrong and
//! what is said then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod datasets;
mod downloads;
mod failures;
mod models;
mod offline;
mod server;
mod uploads;

use std::path::Path;

use colburn::hub::{Hub, RepoId};
use server::Server;

/// The small hub, without a token, with this cache.
fn hub(server: &Server, cache: &Path) -> Hub {
    let hub = Hub::from_env().with_endpoint(&server.endpoint).with_cache(cache).with_token(None).with_offline(false);
    hub.with_first_wait(server::SOON)
}

fn id(name: &str) -> RepoId {
    name.parse().unwrap()
}

/// The files below a folder that can be read, by their names.
fn files(folder: &Path) -> Vec<String> {
    fn below(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.path() {
                path if path.is_dir() => below(&path, &format!("{name}/"), found),
                path if path.is_file() => found.push(name),
                path => panic!("{} leads nowhere", path.display()),
            }
        }
    }
    let mut found = Vec::new();
    below(folder, "", &mut found);
    found.sort();
    found
}
