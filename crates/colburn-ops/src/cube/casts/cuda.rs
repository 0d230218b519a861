//! Casts from f32 to bf16 or f16, and copies of f32, on CUDA: many a launch.

use burn::tensor::DType;

use super::cast::Cast;
use crate::cube::array::len;
use crate::cube::cuda::nvrtc::{self, Launch, Source, argument};
use crate::cube::cuda::task::Task;
use crate::cube::cuda::{low, takes, with_common};

static SOURCE: Source = Source::new(with_common!("casts.cu"), &[]);

/// As in the source.
const THREADS: u32 = 256;
const CHUNK: usize = 8192;
const ENTRIES: usize = 32;
const VECTOR: usize = 8;

/// True if the kernel takes all of the casts, which are to one type.
pub(super) fn serves(casts: &[Cast]) -> bool {
    let taken = |cast: &Cast| {
        let types = cast.from.dtype == DType::F32 && cast.to.dtype == casts[0].to.dtype;
        types && takes(&cast.from) && takes(&cast.to) && len(&cast.from) <= u32::MAX as usize
    };
    casts.iter().all(taken) && nvrtc::is_present()
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
pub(super) fn cast_all(task: &mut Task, casts: &[Cast]) {
    let Some(to) = casts.first().map(|cast| cast.to.dtype) else { return };
    let code = SOURCE.with(&[low(to)]);
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
            *offset = (cast.first * to.size()) as u64;
            blocks += len(&cast.from).div_ceil(CHUNK) as u32;
        }
        let places: Vec<_> = casts.iter().map(|cast| (task.array(&cast.from), task.array(&cast.to))).collect();
        let mut entries = casts.len() as u32;
        task.step(move |at| {
            for ((entry, offset), (from, to)) in table.iter_mut().zip(offsets).zip(places) {
                (entry.from, entry.to) = (at.address(from), at.address(to) + offset);
            }
            let mut arguments = [argument(&mut table), argument(&mut entries)];
            // SAFETY: the arguments are those of the kernel, and the task keeps the arrays.
            unsafe { code.function(c"cast_all", 0)?.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }
        });
    }
}
