//! The number of kernels that were started on devices of CubeCL. Each start costs the host 4 to 26 µs, so it is part of what a step costs.

use std::sync::atomic::{AtomicU64, Ordering};

use cubecl::client::Client;

static STARTED: AtomicU64 = AtomicU64::new(0);

/// Number of kernels and matrix products that this crate has started on devices of CubeCL since the process began. Those that Burn's own operations
/// start are not among them.
pub fn started() -> u64 {
    STARTED.load(Ordering::Relaxed)
}

/// Counts one more.
pub(crate) fn count() {
    STARTED.fetch_add(1, Ordering::Relaxed);
}

/// The client of a device, for one launch, which is counted.
pub(crate) fn counted(client: &Client) -> &Client {
    count();
    client
}
