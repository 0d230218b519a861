//! A damaged file makes the Parquet decoder panic, which is the reader's affair: the process hears nothing of it. The panic
//! hook belongs to the process, so this test has one of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, panic, thread};

use colburn_data::{Dataset, Result};

/// Reads all values of a file; damage in the values is found here, in the footer when the file is opened.
fn read(path: &Path) -> Result<()> {
    let data = Dataset::load(path)?;
    for row in 0..data.len() {
        (0..data.columns().len()).try_for_each(|column| data.value(row, column).map(drop))?;
    }
    Ok(())
}

static REPORTS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_damaged_file_does_not_reach_the_panic_hook() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        REPORTS.fetch_add(1, Ordering::Relaxed);
        report(info);
    }));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let whole = fs::read(format!("{}/../../examples/data/triplets-test.parquet", env!("CARGO_MANIFEST_DIR"))).unwrap();
    // The last hole, a byte of the footer, is the one that the decoder panics on.
    for (start, end) in [(4, 64), (4, whole.len() / 2), (140_363, 140_364)] {
        let mut damaged = whole.clone();
        damaged[start..end].fill(0);
        fs::write(&path, damaged).unwrap();
        // Several at once share the hook that keeps them silent.
        thread::scope(|scope| {
            let reads: Vec<_> = (0..4).map(|_| scope.spawn(|| read(&path))).collect();
            for read in reads {
                assert!(read.join().unwrap().is_err(), "{start}..{end}");
            }
        });
    }
    assert_eq!(REPORTS.load(Ordering::Relaxed), 0);

    let other: thread::JoinHandle<()> = thread::spawn(|| panic!("reported"));
    assert!(other.join().is_err());
    assert_eq!(REPORTS.load(Ordering::Relaxed), 1, "the process's own hook is back");
}
