//! Ctrl-C as a request: the run stops at the next step boundary and saves a checkpoint. A second one ends the process at once.
//!
//! A process has one handler. It is installed by the first run that wants it, and serves one run at a time after that. A program that
//! handles signals itself keeps its own. A signal that the process was started to ignore stays ignored: under `nohup` a run outlives its
//! terminal, and one that a script has put into the background does not take the Ctrl-C of what is in front.

use std::process::exit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::train::Interrupter;

use crate::progress::Progress;

/// What a process that Ctrl-C ended returns: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// What the first Ctrl-C brings while the run trains.
const TRAINING: &str = "stopping after this step, with a checkpoint; press Ctrl-C again to stop at once, without one";

/// And while it saves what it leaves.
const FINISHING: &str = "the training is over and is being saved; press Ctrl-C again to stop at once, without that";

static HANDLER: Mutex<Handler> = Mutex::new(Handler { installed: false, run: None });

struct Handler {
    installed: bool,
    run: Option<Watched>,
}

struct Watched {
    interrupter: Interrupter,
    progress: Progress,
    answer: &'static str,
}

/// As long as it lives, Ctrl-C goes to one run.
pub(crate) struct Registration(());

impl Registration {
    /// Sends Ctrl-C, and a request to terminate, to this run from now on.
    pub fn new(interrupter: Interrupter, progress: Progress) -> Self {
        let mut handler = lock();
        if !handler.installed {
            match install() {
                Ok(()) => handler.installed = true,
                Err(error) => tracing::warn!("Ctrl-C will not save a checkpoint: {error}"),
            }
        }
        handler.run = Some(Watched { interrupter, progress, answer: TRAINING });
        Self(())
    }

    /// The run has no further steps, and only saves.
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
        Some(run) if !run.interrupter.should_stop() => {
            run.interrupter.stop(Some("Ctrl-C"));
            run.progress.say(run.answer);
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

/// What happens at a signal.
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
