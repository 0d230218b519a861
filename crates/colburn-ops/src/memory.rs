//! The allocator of the process, as tensors need it.

/// Asks the C library to keep the memory of freed tensors for the next ones, instead of handing it back to the system and asking for it
/// anew. Of no effect but on Linux with glibc.
///
/// glibc maps every large block anew and unmaps it when it is freed, so that each operation on tensors pays for page faults: encoding on two
/// cores spent a quarter of its processor time on them. It is a setting of the process, so the program makes it, once and
/// before it makes tensors; the binary `colburn` and the examples do. The price is that memory once used stays with the process.
///
/// ```
/// // The first line of `main`.
/// colburn_ops::memory::keep_freed();
/// ```
pub fn keep_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Blocks up to this many bytes come from memory that was freed before, where there is some.
        const MAPPED_FROM: libc::c_int = 1 << 30;
        for (parameter, value) in [(libc::M_MMAP_THRESHOLD, MAPPED_FROM), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX)] {
            // SAFETY: mallopt takes two numbers, may be called at any time from any thread, and refuses what it does not know.
            unsafe { libc::mallopt(parameter, value) };
        }
    }
}
