//! The kernels in CUDA C++, which take many parameters a launch.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;

use super::parameter::{Norm, Parameter};
use crate::cube::array::{bytes, empty, len};
use crate::cube::cuda::nvrtc::{self, Launch, Module, argument};
use crate::cube::cuda::stream::submit;

const SOURCE: &str = include_str!("adamw.cu");

/// As in the source.
const THREADS: u32 = 256;
const CHUNK: usize = 8192;
const GRADIENTS: usize = 240;
const PARAMETERS: usize = 70;

/// True for an array of CUDA, if NVRTC is there.
pub(super) fn serves(array: &CubeTensor) -> bool {
    array.device.runtime() == RuntimeId::Cuda && nvrtc::is_present()
}

fn module() -> Result<std::sync::Arc<Module>, String> {
    Module::load(SOURCE, &["--std=c++17".to_owned(), "--fmad=false".to_owned()])
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct GradientEntry {
    gradient: u64,
    count: u32,
    first: u32,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct ParameterEntry {
    weight: u64,
    gradient: u64,
    mean: u64,
    squares: u64,
    count: u32,
    first: u32,
    keep: f32,
    rate: f32,
    correction: f32,
    unused: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct Settings {
    mean: f32,
    squares_keep: f32,
    squares_share: f32,
    epsilon: f32,
}

/// The sum of squares of all gradients, on the device of `like`. None of them is empty.
pub(super) fn squared_norm(like: &CubeTensor, gradients: &[CubeTensor]) -> CubeTensor {
    let counts: Vec<usize> = gradients.iter().map(len).collect();
    let chunks: usize = counts.iter().map(|count| count.div_ceil(CHUNK)).sum();
    let (sums, out) = (bytes(&like.device, (chunks * size_of::<f64>()).max(8)), empty(like, [1], DType::F32));
    let arrays: Vec<&CubeTensor> = [&out, &sums].into_iter().chain(gradients).collect();
    submit(&arrays, move |at| {
        let module = module()?;
        let [mut out, mut sums] = [at.addresses[0], at.addresses[1]];
        let mut total = chunks as u32;
        let squares = module.function(c"squares", 0)?;
        for (counts, addresses) in counts.chunks(GRADIENTS).zip(at.addresses[2..].chunks(GRADIENTS)) {
            let (mut table, mut blocks) = ([GradientEntry::default(); GRADIENTS], 0);
            for ((entry, &count), &gradient) in table.iter_mut().zip(counts).zip(addresses) {
                *entry = GradientEntry { gradient, count: count as u32, first: blocks };
                blocks += count.div_ceil(CHUNK) as u32;
            }
            let mut entries = counts.len() as u32;
            let mut arguments = [argument(&mut table), argument(&mut entries), argument(&mut sums)];
            // SAFETY: the arguments are those of the kernel, and the arrays are kept by the task.
            unsafe { squares.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }?;
            sums += u64::from(blocks) * size_of::<f64>() as u64;
        }
        sums = at.addresses[1];
        let mut arguments = [argument(&mut sums), argument(&mut total), argument(&mut out)];
        // SAFETY: as above.
        unsafe { module.function(c"total", 0)?.launch(at.stream, Launch::new(1, 1024), &mut arguments) }
    });
    out
}

/// Updates parameters, all with the same settings, in place. None of them is empty.
pub(super) fn update(parameters: &[&Parameter], norm: Option<Norm>) {
    let Some(first) = parameters.first() else { return };
    let mut settings = Settings {
        mean: first.factors.mean,
        squares_keep: first.factors.squares[0],
        squares_share: first.factors.squares[1],
        epsilon: first.factors.epsilon,
    };
    let mut factor = first.factors.gradient;
    let entry = |parameter: &&Parameter| ParameterEntry {
        count: len(&parameter.weight) as u32,
        keep: parameter.factors.keep,
        rate: parameter.factors.rate,
        correction: parameter.factors.correction,
        ..ParameterEntry::default()
    };
    let mut all: Vec<ParameterEntry> = parameters.iter().map(entry).collect();
    let mut arrays = Vec::with_capacity(4 * parameters.len() + 1);
    for Parameter { weight, gradient, mean, squares, .. } in parameters.iter().copied() {
        arrays.extend([weight, gradient, mean, squares]);
    }
    arrays.extend(norm.as_ref().map(|norm| &norm.numbers));
    let mut count_of_numbers = norm.as_ref().map_or(0, |norm| len(&norm.numbers)) as u32;
    let mut max_norm = norm.as_ref().map_or(0.0, |norm| norm.max_norm);
    submit(&arrays, move |at| {
        let update = module()?.function(c"update", 0)?;
        let mut numbers = at.addresses.get(4 * all.len()).copied().unwrap_or(0);
        let (addresses, _) = at.addresses.as_chunks::<4>();
        for (entry, &[weight, gradient, mean, squares]) in all.iter_mut().zip(addresses) {
            *entry = ParameterEntry { weight, gradient, mean, squares, ..*entry };
        }
        for part in all.chunks(PARAMETERS) {
            let (mut table, mut blocks) = ([ParameterEntry::default(); PARAMETERS], 0);
            for (entry, one) in table.iter_mut().zip(part) {
                *entry = ParameterEntry { first: blocks, ..*one };
                blocks += one.count.div_ceil(CHUNK as u32);
            }
            let mut entries = part.len() as u32;
            let mut arguments = [
                argument(&mut table),
                argument(&mut entries),
                argument(&mut settings),
                argument(&mut factor),
                argument(&mut numbers),
                argument(&mut count_of_numbers),
                argument(&mut max_norm),
            ];
            // SAFETY: the arguments are those of the kernel, and the arrays are kept by the task.
            unsafe { update.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }?;
        }
        Ok(())
    });
}
