//! The largest allocation of a thread.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator, which records sizes.
struct Watched;

#[global_allocator]
static WATCHED: Watched = Watched;

/// Resets the record of this thread.
pub fn forget() {
    LARGEST.set(0);
}

/// The largest allocation of this thread since [`forget`], in bytes.
pub fn largest() -> usize {
    LARGEST.get()
}

fn note(size: usize) {
    // A thread that ends may allocate after its cell is gone.
    _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

// SAFETY: every call is the system allocator's, with the arguments as they came; noting a size allocates nothing.
unsafe impl GlobalAlloc for Watched {
    // SAFETY: as the trait asks of its caller.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as the trait asks of its caller.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's contract is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    // SAFETY: as the trait asks of its caller.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's contract is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    // SAFETY: as the trait asks of its caller.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
