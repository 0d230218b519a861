//! Work on another thread, a little ahead of the one that needs it.

use std::sync::mpsc::{IntoIter, sync_channel};
use std::thread;

/// Makes items on a thread of its own, at most two ahead of `consume`. The thread ends with the items, or when `consume` is done with them.
///
/// ```
/// use colburn_model::ahead;
///
/// let found = ahead((0..).map(|number| number * number), |mut squares| squares.find(|square| *square > 50));
/// assert_eq!(found, Some(64));
/// ```
///
/// # Panics
/// When making an item does.
pub fn ahead<T: Send, R>(items: impl Iterator<Item = T> + Send, consume: impl FnOnce(IntoIter<T>) -> R) -> R {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || {
            for item in items {
                if sender.send(item).is_err() {
                    break;
                }
            }
        });
        consume(receiver.into_iter())
    })
}
