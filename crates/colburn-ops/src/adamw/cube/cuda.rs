//! The kernels in CUDA C++, which take many parameters a launch.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::RuntimeId;

use super::parameter::{Norm, Parameter};
use crate::cube::array::len;
use crate::cube::cuda::nvrtc::{self, Launch, Source, argument};
use crate::cube::cuda::task::{Place, Task};
use crate::cube::room::Room;

static SOURCE: Source = Source::new(include_str!("adamw.cu"), &["--fmad=false"]);

/// As in the source.
const THREADS: u32 = 256;
const CHUNK: usize = 8192;
const GRADIENTS: usize = 240;
const PARAMETERS: usize = 70;

/// True for an array of CUDA, if NVRTC is there.
pub(super) fn serves(array: &CubeTensor) -> bool {
    array.device.runtime() == RuntimeId::Cuda && nvrtc::is_present()
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
    let mut task = Task::default();
    let sums = task.empty(Room::Scratch, like, [(chunks * size_of::<f64>()).max(8)], DType::U8);
    let out = task.empty(Room::Own, like, [1], DType::F32);
    let (at_out, at_sums) = (task.array(&out), task.array(&sums));
    let places: Vec<Place> = gradients.iter().map(|gradient| task.another(gradient)).collect();
    task.step(move |at| {
        let code = SOURCE.with(&[]);
        let [mut out, mut sums] = [at.address(at_out), at.address(at_sums)];
        let mut total = chunks as u32;
        let squares = code.function(c"squares", 0)?;
        for (counts, places) in counts.chunks(GRADIENTS).zip(places.chunks(GRADIENTS)) {
            let (mut table, mut blocks) = ([GradientEntry::default(); GRADIENTS], 0);
            for ((entry, &count), &place) in table.iter_mut().zip(counts).zip(places) {
                *entry = GradientEntry { gradient: at.address(place), count: count as u32, first: blocks };
                blocks += count.div_ceil(CHUNK) as u32;
            }
            let mut entries = counts.len() as u32;
            let mut arguments = [argument(&mut table), argument(&mut entries), argument(&mut sums)];
            // SAFETY: the arguments are those of the kernel, and the task keeps the arrays.
            unsafe { squares.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }?;
            sums += u64::from(blocks) * size_of::<f64>() as u64;
        }
        sums = at.address(at_sums);
        let mut arguments = [argument(&mut sums), argument(&mut total), argument(&mut out)];
        // SAFETY: as above.
        unsafe { code.function(c"total", 0)?.launch(at.stream, Launch::new(1, 1024), &mut arguments) }
    });
    task.run();
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
    let mut task = Task::default();
    let place = |parameter: &&Parameter| {
        let Parameter { weight, gradient, mean, squares, .. } = parameter;
        [weight, gradient, mean, squares].map(|array| task.another(array))
    };
    let places: Vec<[Place; 4]> = parameters.iter().map(place).collect();
    let at_numbers = norm.as_ref().map(|norm| task.array(&norm.numbers));
    let mut count_of_numbers = norm.as_ref().map_or(0, |norm| len(&norm.numbers)) as u32;
    let mut max_norm = norm.as_ref().map_or(0.0, |norm| norm.max_norm);
    task.step(move |at| {
        let update = SOURCE.with(&[]).function(c"update", 0)?;
        let mut numbers = at_numbers.map_or(0, |numbers| at.address(numbers));
        for (entry, places) in all.iter_mut().zip(places) {
            let [weight, gradient, mean, squares] = places.map(|place| at.address(place));
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
            // SAFETY: the arguments are those of the kernel, and the task keeps the arrays.
            unsafe { update.launch(at.stream, Launch::new(blocks, THREADS), &mut arguments) }?;
        }
        Ok(())
    });
    task.run();
}
