//! Kernels and products one after the other as one task on CubeCL's stream: a task costs the thread that makes it 5 µs, whatever the number of its
//! steps.
//!
//! Arrays that a task makes get their memory when it begins, so an array costs no task of its own. Many arrays share one piece of memory ([`Room`]):
//! a reservation costs the device's thread more than a launch.

use std::ffi::{CStr, c_void};

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::server::BufferBinding;
use cudarc::driver::result::memset_d8_async;

use crate::cube::room::Room;

use super::nvrtc::{Code, Launch};
use super::stream::{OnStream, Reservation, submit};

/// Steps that are queued in order.
#[derive(Default)]
pub(crate) struct Task {
    new: Vec<Reservation>,
    /// The places of the shared and of the scratch memory among the new ones.
    shared: Option<usize>,
    scratch: Option<usize>,
    /// The memory of all arrays, each once.
    buffers: Vec<BufferBinding>,
    /// The buffer of each array, and its first byte there.
    places: Vec<(usize, u64)>,
    steps: Vec<Step>,
}

/// Queues its work on the stream.
type Step = Box<dyn FnOnce(&OnStream<'_>) -> Result<(), String> + Send>;

/// The place of an array among those of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    /// The address of an array.
    Array(Place),
    /// The address of no array.
    None,
    U32(u32),
    U64(u64),
    F32(f32),
}

impl Task {
    /// The place of an array. The task keeps its memory, and has it once.
    pub fn array(&mut self, array: &CubeTensor) -> Place {
        let id = array.handle.memory.descriptor().id;
        let Some(buffer) = self.buffers.iter().position(|buffer| buffer.memory.id() == id) else {
            return self.another(array);
        };
        let place = (buffer, array.handle.offset_start.unwrap_or(0));
        let known = self.places.iter().position(|known| *known == place);
        Place(known.unwrap_or_else(|| {
            self.places.push(place);
            self.places.len() - 1
        }))
    }

    /// As [`Task::array`], of one whose memory no other array of the task has: for long lists, since nothing is searched.
    pub fn another(&mut self, array: &CubeTensor) -> Place {
        let first = array.handle.offset_start.unwrap_or(0);
        self.buffers.push(BufferBinding { offset_start: None, offset_end: None, ..array.handle.clone().binding() });
        self.places.push((self.buffers.len() - 1, first));
        Place(self.places.len() - 1)
    }

    /// An array as an argument.
    pub fn argument(&mut self, array: &CubeTensor) -> Argument {
        Argument::Array(self.array(array))
    }

    /// An array that may be missing, as an argument.
    pub fn optional(&mut self, array: Option<&CubeTensor>) -> Argument {
        array.map_or(Argument::None, |array| self.argument(array))
    }

    /// A new contiguous array on the device of `like`, of undefined content. It can be used by this task, and by work that starts after it.
    pub fn empty<const D: usize>(
        &mut self,
        room: Room,
        like: &CubeTensor,
        sizes: [usize; D],
        dtype: DType,
    ) -> CubeTensor {
        let mut own = None;
        let place = match room {
            Room::Own => &mut own,
            Room::Shared => &mut self.shared,
            Room::Scratch => &mut self.scratch,
        };
        let place = *place.get_or_insert_with(|| {
            self.new.push(Reservation::new(like));
            self.new.len() - 1
        });
        let handle = self.new[place].add(like, sizes.iter().product::<usize>() * dtype.size());
        CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), sizes.into(), handle, dtype)
    }

    /// As [`Task::empty`], of zeros, in memory of its own.
    pub fn zeros<const D: usize>(&mut self, like: &CubeTensor, sizes: [usize; D], dtype: DType) -> CubeTensor {
        let array = self.empty(Room::Own, like, sizes, dtype);
        let (place, bytes) = (self.another(&array), sizes.iter().product::<usize>() * dtype.size());
        self.step(move |at| {
            // SAFETY: the array has so many bytes, and the task keeps it.
            let done = unsafe { memset_d8_async(at.address(place), 0, bytes, at.stream) };
            done.map_err(|error| format!("CUDA: {error}"))
        });
        array
    }

    /// Adds a step.
    pub fn step(&mut self, step: impl FnOnce(&OnStream<'_>) -> Result<(), String> + Send + 'static) {
        self.steps.push(Box::new(step));
    }

    /// Adds a kernel.
    ///
    /// # Safety
    /// The arguments have the number and types of the kernel's parameters, and it reads and writes nothing but their arrays.
    pub unsafe fn kernel(
        &mut self,
        code: &'static Code,
        name: &'static CStr,
        launch: Launch,
        arguments: impl IntoIterator<Item = Argument>,
    ) {
        let arguments: Vec<Argument> = arguments.into_iter().collect();
        self.step(move |at| {
            // A number of 32 bits is read from the first half: the host is little-endian wherever CUDA is.
            let mut values: Vec<u64> = arguments.iter().map(|argument| argument.value(at)).collect();
            let mut pointers: Vec<*mut c_void> = values.iter_mut().map(|value| (&raw mut *value).cast()).collect();
            // SAFETY: the caller answers for the arguments, and the task keeps the arrays.
            unsafe { code.function(name, launch.shared)?.launch(at.stream, launch, &mut pointers) }
        });
    }

    /// Number of steps.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Starts the steps behind all work that was started before.
    ///
    /// # Panics
    /// When an earlier task has failed.
    pub fn run(self) {
        let Self { new, buffers, places, steps, .. } = self;
        submit(new, buffers, steps.len(), move |at| {
            let addresses: Vec<u64> = places.iter().map(|(buffer, first)| at.addresses[*buffer] + first).collect();
            let at = OnStream { addresses: &addresses, ..at };
            steps.into_iter().try_for_each(|step| step(&at))
        });
    }
}

impl Argument {
    fn value(&self, at: &OnStream<'_>) -> u64 {
        match *self {
            Self::Array(place) => at.address(place),
            Self::None => 0,
            Self::U32(number) => u64::from(number),
            Self::U64(number) => number,
            Self::F32(number) => u64::from(number.to_bits()),
        }
    }
}

impl OnStream<'_> {
    /// The device address of an array.
    pub fn address(&self, place: Place) -> u64 {
        self.addresses[place.0]
    }
}
