//! The memory of attention at long lengths, counted by the allocator so that the numbers do not depend on the machine.
#![cfg(feature = "flex")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use burn::tensor::{Device, Distribution, Tensor};
use colburn_ops::{AttentionOptions, Batch, Dropout, Spans, attention};

const HIDDEN: usize = 128;
const HEADS: usize = 2;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; counting beside it touches no memory but two atomic numbers.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as the trait asks for.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as the trait asks for.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes beyond those of the inputs that a forward pass over a text of this length takes, with the backward pass if asked for.
fn peak(length: usize, window: Option<usize>, backward: bool) -> usize {
    let device = if backward { Device::flex().autodiff() } else { Device::flex() };
    let draw = || {
        let x = Tensor::<2>::random([length, HIDDEN], Distribution::Normal(0.0, 1.0), &device);
        if backward { x.require_grad() } else { x }
    };
    let (q, k, v) = (draw(), draw(), draw());
    let spans = Spans::from_lengths(&[length]);
    let options = AttentionOptions { window, ..AttentionOptions::new(HEADS) };
    let mut batch = Batch::new(&spans, Dropout::off(), &device);
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let output = attention(q.clone(), k, v, options, &mut batch);
    if backward {
        let gradients = output.sum().backward();
        assert!(q.grad(&gradients).is_some());
    } else {
        assert_eq!(output.dims(), [length, HIDDEN]);
    }
    PEAK.load(Relaxed) - before
}

/// One test, so that nothing else allocates meanwhile.
#[test]
fn memory_grows_with_the_tokens() {
    // Local or global, forward or backward, the same multiple of the text at any length. All scores of 8192 tokens would be 128 times.
    for (window, backward) in [(Some(64), false), (Some(64), true), (None, false), (None, true)] {
        for length in [2048, 4096, 8192] {
            let texts = peak(length, window, backward) as f64 / (length * HIDDEN * size_of::<f32>()) as f64;
            let what = format!("{length} tokens, window {window:?}, backward {backward}: {texts:.1} times the text");
            assert!(texts < if backward { 16.0 } else { 6.0 }, "{what}");
            println!("{what}");
        }
    }
}
