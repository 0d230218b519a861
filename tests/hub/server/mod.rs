//! A small hub: enough of the protocol of the Hugging Face hub to download models and data sets from it, and to upload to it, on threads of the
//! test itself. It keeps what it was asked for, and fails when it is told to. Large files lie at a second address, as the real hub's do,
//! which answers nobody who sends it a token.
//!
//! Other tests take it in with `#[path = "…/tests/hub/server/mod.rs"] mod server;`.
#![allow(dead_code)] // each test uses a part of it

mod answers;
mod http;
mod repositories;
mod uploads;

use std::{
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

pub use http::{Fault, Request};
pub use repositories::State;

/// The token that may do everything.
pub const WRITE: &str = "hf_theTokenThatMayWriteAndThatNobodyMaySee";
/// The token that may write to what there is, and make no repositories.
pub const PUSH: &str = "hf_theTokenThatMayPushAndThatNobodyMaySee";
/// The token that may read what is private, and nothing else.
pub const READ: &str = "hf_theTokenThatMayReadAndThatNobodyMaySee";

/// A hub that lives as long as the test.
pub struct Server {
    /// Where it is.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// A hub without repositories.
    pub fn start() -> Self {
        let [hub, files] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
        let endpoint = format!("http://127.0.0.1:{}", port(&hub));
        // Another name of the same machine: to clients it is another host.
        let state = Arc::new(Mutex::new(State::new(&endpoint, &format!("http://localhost:{}", port(&files)))));
        for (listener, at_files) in [(hub, false), (files, true)] {
            let state = state.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = state.clone();
                    thread::spawn(move || http::serve(stream, &state, at_files));
                }
            });
        }
        Self { endpoint, state }
    }

    /// The content of the hub, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A model with these files on its main branch; gives the commit.
    pub fn add_model(&self, name: &str, files: &[(&str, &[u8])]) -> String {
        self.state().repository("models", name).commit("main", files)
    }

    /// A data set with these files on its main branch; gives the commit.
    pub fn add_dataset(&self, name: &str, files: &[(&str, &[u8])]) -> String {
        self.state().repository("datasets", name).commit("main", files)
    }

    /// A model with all files of a folder.
    pub fn add_model_folder(&self, name: &str, folder: &Path) -> String {
        self.state().repository("models", name).commit_folder("main", folder)
    }

    /// A data set with all files of a folder.
    pub fn add_dataset_folder(&self, name: &str, folder: &Path) -> String {
        self.state().repository("datasets", name).commit_folder("main", folder)
    }

    /// From now on requests fail that have all these words, separated by spaces, in `METHOD PATH`; so often.
    pub fn fail(&self, words: &str, times: usize, fault: Fault) {
        self.state().faults.push((words.split(' ').map(str::to_owned).collect(), times, fault));
    }

    /// The requests that had these words in `METHOD PATH`.
    pub fn seen(&self, words: &str) -> Vec<Request> {
        let state = self.state();
        let has = |request: &&Request| words.split(' ').all(|word| request.line().contains(word));
        state.requests.iter().filter(has).cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.state().requests.clear();
    }
}

/// A wait that no test notices.
pub const SOON: Duration = Duration::from_millis(1);
