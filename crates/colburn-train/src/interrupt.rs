//! Ctrl-C as a request: the run stops at the next step boundary and saves a checkpoint. A second one ends the process at once.
//!
//! A process has one handler. It is installed by the first run that wants it, and serves one run at a time after that.

use std::process::exit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::train::Interrupter;

/// What a process that Ctrl-C ended returns: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

static HANDLER: Mutex<Handler> = Mutex::new(Handler { installed: false, run: None });

struct Handler {
    installed: bool,
    run: Option<Interrupter>,
}

/// As long as it lives, Ctrl-C goes to one run.
#[derive(Debug)]
pub(crate) struct Registration(());

impl Registration {
    /// Sends Ctrl-C, and a request to terminate, to this run from now on.
    pub fn new(interrupter: Interrupter) -> Self {
        let mut handler = lock();
        if !handler.installed {
            match ctrlc::try_set_handler(on_signal) {
                Ok(()) => handler.installed = true,
                Err(error) => tracing::warn!("Ctrl-C will not save a checkpoint: {error}"),
            }
        }
        handler.run = Some(interrupter);
        Self(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock().run = None;
    }
}

fn on_signal() {
    match &lock().run {
        Some(run) if !run.should_stop() => run.stop(Some("Ctrl-C")),
        _ => exit(INTERRUPTED),
    }
}

fn lock() -> MutexGuard<'static, Handler> {
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner)
}
