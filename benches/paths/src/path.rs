//! What a path is.

/// The work of one path, set up and ready to be repeated.
pub(crate) trait Workload {
    /// Does the work once, and panics if its result is not the right one: a path that does something else measures nothing.
    fn operate(&mut self);

    /// What it has counted so far, besides what is counted for the whole process; always the same names in the same order.
    fn tallies(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// Any closure is the work of a path that counts nothing by itself.
impl<F: FnMut()> Workload for F {
    fn operate(&mut self) {
        self();
    }
}

/// One path.
pub(crate) struct Entry {
    /// Crate and work, as benchmarks are named.
    pub(crate) name: &'static str,
    /// Operations that make counts of one operation exact.
    pub(crate) count_operations: u64,
    /// The same under callgrind, which is fifty times slower.
    pub(crate) trace_operations: u64,
    pub(crate) make: fn() -> Box<dyn Workload>,
}
