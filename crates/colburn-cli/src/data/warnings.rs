//! The warnings of a call, to be shown on a page instead of beside it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

/// The result of a call, and the warnings that the library gave in it.
pub fn caught<T>(call: impl FnOnce() -> T) -> (T, Vec<String>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_level(false)
        .finish();
    let result = tracing::subscriber::with_default(subscriber, call);
    let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    let warnings = String::from_utf8_lossy(&bytes).lines().map(|line| line.trim().to_owned()).collect();
    (result, warnings)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_lines() {
        let (result, warnings) = caught(|| {
            tracing::warn!("rows: one {}", 1);
            tracing::info!("not shown");
            tracing::warn!("rows: two");
            7
        });
        assert_eq!((result, warnings), (7, vec!["rows: one 1".to_owned(), "rows: two".to_owned()]));
    }
}
