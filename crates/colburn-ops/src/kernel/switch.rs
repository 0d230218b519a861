//! A switch for the kernels, to find out whether they are the cause: a result or a time that looks wrong can be compared with that of the
//! composed operations in the same program.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static ENABLED: LazyLock<AtomicBool> = LazyLock::new(|| {
    let off = std::env::var("COLBURN_KERNELS").is_ok_and(|value| value.eq_ignore_ascii_case("off"));
    AtomicBool::new(!off)
});

/// True if the operations of this crate run as kernels on the backends that have some. They do, unless the environment variable
/// `COLBURN_KERNELS` is `off` when this is first asked, or [`set_enabled`] was called since.
pub fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Turns kernels on or off. The switch is a diagnostic, and a setting of the process: threads that compute at the moment notice it at
/// their next operation. A tensor keeps the gradient that it was computed with.
pub fn set_enabled(enabled: bool) {
    ENABLED.store(enabled, Ordering::Relaxed);
}

/// Number of kernels and matrix products that this crate has started on GPUs since the process began; 0 in a build without a GPU backend. Kernels
/// that Burn's own operations start are not among them. A start costs the host 4 to 26 µs.
pub fn launches() -> u64 {
    #[cfg(feature = "cube")]
    return crate::cube::launches::started();
    #[cfg(not(feature = "cube"))]
    0
}
