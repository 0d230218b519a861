//! A file on its way to the disk while it is written, so that there is little left to wait for when it is whole.

use std::fs::File;
use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes after which the disk is asked for what is written so far.
const SHARE: usize = 64 << 20;

/// A thread that brings what is written to the disk.
pub struct Syncing {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
    /// Bytes that the disk was not asked for.
    written: usize,
}

impl Syncing {
    pub fn new(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (ask, asked) = sync_channel(1);
        let thread = thread::Builder::new().spawn(move || asked.into_iter().try_for_each(|()| file.sync_data()))?;
        Ok(Self { ask, thread, written: 0 })
    }

    /// After so many more bytes. It never waits: a slow disk is asked less often.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= SHARE && self.ask.try_send(()).is_ok() {
            self.written = 0;
        }
    }

    /// Waits for what the disk was asked for.
    ///
    /// # Errors
    /// The disk's. Only this thread is told of them.
    pub fn finish(self) -> io::Result<()> {
        drop(self.ask);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_waits_and_ends() {
        let mut syncing = Syncing::new(&tempfile::tempfile().unwrap()).unwrap();
        (0..1000).for_each(|_| syncing.wrote(SHARE / 2));
        assert!(syncing.written < 1000 * SHARE);
        syncing.finish().unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_of_the_disk_is_told() {
        // A file that cannot be synced stands for a disk that fails.
        let mut syncing = Syncing::new(&File::options().write(true).open("/dev/full").unwrap()).unwrap();
        syncing.wrote(SHARE);
        assert!(syncing.finish().is_err());
    }
}
