//! The writing of results on a thread of its own, so that it costs the computing nothing.

use std::panic::resume_unwind;
use std::sync::mpsc::{IntoIter, SyncSender, sync_channel};
use std::thread;

use crate::Result;

/// Computes results on this thread and writes them on another one, which is at most two results behind. An error of either ends both. `write`
/// sees the end of the results also when an error ended them, so it leaves to the caller what only a whole may have.
pub fn compute_and_write<T: Send, R: Send>(
    results: impl Iterator<Item = Result<T>>,
    write: impl FnOnce(IntoIter<T>) -> Result<R> + Send,
) -> Result<R> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let writer = scope.spawn(move || write(receiver.into_iter()));
        let computed = hand_over(results, sender);
        let written = writer.join().unwrap_or_else(|panic| resume_unwind(panic));
        computed.and(written)
    })
}

/// Sends results until one is an error, or nobody listens: then the error is the listener's.
fn hand_over<T>(results: impl Iterator<Item = Result<T>>, listener: SyncSender<T>) -> Result<()> {
    for result in results {
        if listener.send(result?).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn error(message: &str) -> Error {
        Error::Text { place: "here".to_owned(), message: message.to_owned() }
    }

    #[test]
    fn all_results_are_written_in_order() {
        let written = compute_and_write((0..100).map(Ok), |results| Ok(results.collect::<Vec<usize>>()));
        assert!(written.unwrap().into_iter().eq(0..100));
        assert_eq!(compute_and_write(std::iter::empty::<Result<u8>>(), |results| Ok(results.count())).unwrap(), 0);
    }

    #[test]
    fn an_error_of_either_side_ends_both() {
        let failing = (0..).map(|at| if at == 9 { Err(error("computing failed")) } else { Ok(at) });
        let mut seen = 0;
        let computed = compute_and_write(failing, |results| {
            seen = results.count();
            Ok(())
        });
        assert_eq!((computed.unwrap_err().to_string().as_str(), seen), ("here: computing failed", 9));
        // The results are without end, the writer is not.
        let written = compute_and_write((0..).map(Ok), |results| {
            results.take(3).for_each(drop);
            Err::<(), _>(error("the disk is full"))
        });
        assert_eq!(written.unwrap_err().to_string(), "here: the disk is full");
    }
}
