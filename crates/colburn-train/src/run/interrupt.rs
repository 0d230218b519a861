//! Ctrl-C as a request: the run stops at the next step boundary and saves a checkpoint. A second one ends the process at once.
//!
//! A process has one handler. The first run that needs it installs it, and it serves one run at a time. A program that handles signals itself
//! keeps its own handler. A signal that was ignored when the process started stays ignored: a run under `nohup` survives its terminal, and
//! a run that a script has started in the background does not receive the Ctrl-C for the foreground.

use std::process::exit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use colburn_report::Console;

use super::burn_train::StopSignal;

/// The exit code of a process that Ctrl-C has ended: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// The answer to the first Ctrl-C during the training.
const TRAINING: &str = "stopping after this step, with a checkpoint; press Ctrl-C again to stop at once, without one";

/// The answer to the first Ctrl-C while the results are saved.
const FINISHING: &str = "the training is over and is being saved; press Ctrl-C again to stop at once, without saving";

static HANDLER: Mutex<Handler> = Mutex::new(Handler { installed: false, run: None });

struct Handler {
    installed: bool,
    run: Option<Watched>,
}

struct Watched {
    stop: StopSignal,
    console: Console,
    answer: &'static str,
}

/// Directs Ctrl-C to one run until this is dropped.
pub(crate) struct Registration(());

impl Registration {
    /// Directs Ctrl-C, and a request to terminate, to this run from now on.
    pub fn new(stop: StopSignal, console: Console) -> Self {
        let mut handler = lock();
        if !handler.installed {
            match install() {
                Ok(()) => handler.installed = true,
                Err(error) => tracing::warn!("Ctrl-C will not save a checkpoint: {error}"),
            }
        }
        handler.run = Some(Watched { stop, console, answer: TRAINING });
        Self(())
    }

    /// Changes the answer when the training is over and its results are saved.
    pub fn finishing(&self) {
        if let Some(run) = &mut lock().run {
            run.answer = FINISHING;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        lock().run = None;
    }
}

fn on_signal() {
    match &lock().run {
        Some(run) if !run.stop.is_requested() => {
            run.stop.request();
            run.console.say(run.answer);
        }
        _ => exit(INTERRUPTED),
    }
}

fn lock() -> MutexGuard<'static, Handler> {
    HANDLER.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn install() -> Result<(), String> {
    use libc::{SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGTERM};

    let signals = [SIGINT, SIGTERM, SIGHUP];
    let old = signals.map(action);
    if old.iter().any(|old| ![SIG_DFL, SIG_IGN].contains(&old.sa_sigaction)) {
        return Err("this program handles signals itself".to_owned());
    }
    ctrlc::set_handler(on_signal).map_err(|error| error.to_string())?;
    for (signal, old) in signals.iter().zip(&old).filter(|(_, old)| old.sa_sigaction == SIG_IGN) {
        // SAFETY: the action is the one that the system gave for this signal, and the old one is not asked for.
        unsafe { libc::sigaction(*signal, old, std::ptr::null_mut()) };
    }
    Ok(())
}

/// The action at a signal.
#[cfg(unix)]
fn action(signal: i32) -> libc::sigaction {
    // SAFETY: all zero is a valid `sigaction`, which the call only writes to; without a new action it changes nothing.
    unsafe {
        let mut old = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut old);
        old
    }
}

#[cfg(not(unix))]
fn install() -> Result<(), String> {
    ctrlc::try_set_handler(on_signal).map_err(|error| error.to_string())
}
