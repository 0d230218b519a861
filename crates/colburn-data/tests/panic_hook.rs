//! A damaged file makes the Parquet decoder panic, which is the reader's affair: the process hears nothing of it. The panic
//! hook belongs to the process, so this test has one of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, panic, thread};

use colburn_data::Dataset;

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
            let loads: Vec<_> = (0..4).map(|_| scope.spawn(|| Dataset::load(&path))).collect();
            for load in loads {
                assert!(load.join().unwrap().is_err(), "{start}..{end}");
            }
        });
    }
    assert_eq!(REPORTS.load(Ordering::Relaxed), 0);

    let other: thread::JoinHandle<()> = thread::spawn(|| panic!("reported"));
    assert!(other.join().is_err());
    assert_eq!(REPORTS.load(Ordering::Relaxed), 1, "the process's own hook is back");
}
