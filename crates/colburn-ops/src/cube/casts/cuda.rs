//! Casts from f32 to bf16 on CUDA, many a launch.

use burn::tensor::DType;
use cubecl::device::RuntimeId;

use super::cast::Cast;
use crate::cube::array::len;
use crate::cube::cuda::nvrtc::{self, Launch, Module, argument};
use crate::cube::cuda::stream::submit;

const SOURCE: &str = include_str!("casts.cu");

/// As in the source.
const THREADS: u32 = 256;
const CHUNK: usize = 8192;
const ENTRIES: usize = 32;
const VECTOR: usize = 8;

/// True if the kernel takes all of the casts.
pub(super) fn serves(casts: &[Cast]) -> bool {
    let taken = |cast: &Cast| {
        let types = (cast.from.dtype, cast.to.dtype) == (DType::F32, DType::BF16);
        types && cast.from.device.runtime() == RuntimeId::Cuda && len(&cast.from) <= u32::MAX as usize
    };
    !casts.is_empty() && casts.iter().all(taken) && nvrtc::is_present()
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Entry {
    from: u64,
    to: u64,
    count: u32,
    columns: u32,
    width: u32,
    first_block: u32,
    vectors: u32,
    unused: u32,
}

/// Queues the casts.
pub(super) fn cast_all(casts: &[Cast]) {
    for casts in casts.chunks(ENTRIES) {
        let (mut table, mut blocks) = ([Entry::default(); ENTRIES], 0);
        let mut offsets = [0u64; ENTRIES];
        for ((entry, offset), cast) in table.iter_mut().zip(&mut offsets).zip(casts) {
            let [columns, width] = cast.widths();
            *entry = Entry {
                count: len(&cast.from) as u32,
                columns: columns as u32,
                width: width as u32,
                first_block: blocks,
                vectors: u32::from([columns, width, cast.first].into_iter().all(|size| size.is_multiple_of(VECTOR))),
                ..Entry::default()
            };
            *offset = (cast.first * 2) as u64;
            blocks += len(&cast.from).div_ceil(CHUNK) as u32;
        }
        let arrays: Vec<_> = casts.iter().flat_map(|cast| [&cast.from, &cast.to]).collect();
        let mut entries = casts.len() as u32;
        submit(&arrays, move |at| {
            let (pairs, _) = at.addresses.as_chunks::<2>();
            for ((entry, offset), &[from, to]) in table.iter_mut().zip(offsets).zip(pairs) {
                (entry.from, entry.to) = (from, to + offset);
            }
            let function = Module::load(SOURCE, &["--std=c++17".to_owned()])?.function(c"cast_all", 0)?;
            let mut arguments = [argument(&mut table), argument(&mut entries)];
            // SAFETY: the arguments are those of the kernel, and the arrays are kept by the task.
            unsafe { function.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }
        });
    }
}
