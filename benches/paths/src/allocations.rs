//! How often, and how much, the whole process has allocated.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ops::Sub,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, with a tally. Two additions are within what a gate of two per cent overlooks.
pub(crate) struct CountingAllocator;

#[expect(unsafe_code, reason = "there is no safe way to be an allocator; every call is handed on as it came")]
// SAFETY: `System` upholds the contract, and the tally touches no memory that it hands out.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        tally(layout.size());
        // SAFETY: the caller's promises are those that `System` asks for; so below.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        tally(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        tally(new_size.saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

fn tally(bytes: usize) {
    COUNT.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
}

/// What has been allocated since the program began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allocations {
    /// Allocations, and growths of one.
    pub(crate) count: u64,
    /// Asked for; of a growth what it grew by.
    pub(crate) bytes: u64,
}

impl Allocations {
    pub(crate) fn now() -> Self {
        Allocations { count: COUNT.load(Relaxed), bytes: BYTES.load(Relaxed) }
    }
}

impl Sub for Allocations {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Allocations { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}
