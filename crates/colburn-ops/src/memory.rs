//! The allocator of the process, as tensors need it.

/// Makes the C library keep the memory of freed tensors for the next ones, instead of returning it to the system. It has an effect only on
/// Linux with glibc.
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
        /// Blocks up to this many bytes come from freed memory, where there is some. Versions before 2.35 accept the second number at most.
        const MAPPED_FROM: [libc::c_int; 2] = [1 << 30, 32 << 20];
        // SAFETY: mallopt takes two numbers, may be called at any time from any thread, and refuses by its result what it cannot do.
        let set = |parameter, value| unsafe { libc::mallopt(parameter, value) == 1 };
        // Alone, the second setting would freeze the threshold at its small beginning.
        if MAPPED_FROM.into_iter().any(|bytes| set(libc::M_MMAP_THRESHOLD, bytes)) {
            set(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}
