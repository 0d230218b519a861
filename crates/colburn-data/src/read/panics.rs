//! Calls into a decoder that panics where it should return an error. A damaged file is an error like any other: the panic
//! must not end the program, and must not print a message and a stack trace beside the caller's own error.

use std::cell::Cell;
use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::one_line::one_line;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// The hook belongs to the process, so calls on several threads share one. The lock is not held during a call: a thread
/// that waits for the decoder may run another call meanwhile.
static SHARED: Mutex<Shared> = Mutex::new(Shared { calls: 0, previous: None });

struct Shared {
    calls: usize,
    previous: Option<Arc<Hook>>,
}

thread_local! {
    /// Calls on this thread; one can begin within another.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// The result of a call, or `None` if it panicked. Panics of other threads are reported as usual.
fn caught<T>(call: impl FnOnce() -> T) -> Option<T> {
    enter();
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    leave();
    result.ok()
}

/// Runs polars, which panics on some damaged files: a bad file must not end a program that can report it.
pub(super) fn guarded<T, E: Display>(decode: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    caught(decode).map_or_else(|| Err("the decoder failed".to_owned()), |result| result.map_err(one_line))
}

fn enter() {
    CALLS.set(CALLS.get() + 1);
    let mut shared = lock();
    if shared.calls == 0 {
        let previous = Arc::new(panic::take_hook());
        shared.previous = Some(previous.clone());
        panic::set_hook(Box::new(move |info| {
            if !decodes() {
                previous(info);
            }
        }));
    }
    shared.calls += 1;
}

fn leave() {
    CALLS.set(CALLS.get() - 1);
    let mut shared = lock();
    shared.calls -= 1;
    if shared.calls == 0
        && let Some(previous) = shared.previous.take()
    {
        // Ours goes first, and with it the other owner of the previous one.
        drop(panic::take_hook());
        if let Some(previous) = Arc::into_inner(previous) {
            panic::set_hook(previous);
        }
    }
}

/// True if this thread works for a call.
fn decodes() -> bool {
    CALLS.get() > 0
}

fn lock() -> MutexGuard<'static, Shared> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{CALLS, caught};

    #[test]
    fn a_panic_is_no_result() {
        assert_eq!(caught(|| 3), Some(3));
        assert_eq!(caught(|| -> usize { panic!("not seen") }), None);
        assert_eq!(caught(|| caught(|| -> usize { panic!("not seen") })), Some(None));
        assert_eq!(CALLS.get(), 0);
    }
}
