//! A switch for the kernels, to find out what they change: a result or a time that looks wrong with them can be compared with the composed
//! operations in the same program.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: LazyLock<AtomicBool> = LazyLock::new(|| {
    let off = std::env::var("COLBURN_KERNELS").is_ok_and(|value| value.eq_ignore_ascii_case("off"));
    AtomicBool::new(!off)
});

/// Whether the operations of this crate run as kernels where there are any, that is, on flex. They do, unless the environment variable
/// `COLBURN_KERNELS` is `off` when this is first asked, or [`set_enabled`] was called since.
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Lets operations run as kernels, or composed of Burn's operations. A diagnostic: it is a setting of the process, which threads
/// that compute at the moment see at some operation or other. What was computed before keeps the gradient that it was computed with.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}
