//! The kernels and products of an operation on their way to the device, in order. On CUDA those that are written in CUDA C++, and the products
//! of cuBLASLt, are gathered in a task; kernels of CubeCL start at once, behind what was gathered before.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
#[cfg(feature = "cuda")]
use cubecl::device::RuntimeId;

#[cfg(feature = "cuda")]
use super::cuda::task::Task;
use super::room::Room;

/// See above. Work that is still gathered when a queue is dropped is never done: [`Queue::start`] ends its use.
#[must_use]
pub(crate) struct Queue {
    #[cfg(feature = "cuda")]
    task: Option<Task>,
}

impl Queue {
    /// A queue of the device of `like`.
    pub fn new(like: &CubeTensor) -> Self {
        let _ = like;
        Self {
            #[cfg(feature = "cuda")]
            task: (like.device.runtime() == RuntimeId::Cuda).then(Task::default),
        }
    }

    /// A new contiguous array on the device of `like`, of undefined content.
    pub fn empty<const D: usize>(&mut self, like: &CubeTensor, sizes: [usize; D], dtype: DType) -> CubeTensor {
        self.empty_in(Room::Own, like, sizes, dtype)
    }

    /// The same, in this room.
    pub fn empty_in<const D: usize>(
        &mut self,
        room: Room,
        like: &CubeTensor,
        sizes: [usize; D],
        dtype: DType,
    ) -> CubeTensor {
        #[cfg(feature = "cuda")]
        if let Some(task) = &mut self.task
            && !sizes.contains(&0)
        {
            return task.empty(room, like, sizes, dtype);
        }
        let _ = room;
        super::array::empty(like, sizes, dtype)
    }

    /// True if steps are gathered, so that one more costs little.
    pub fn gathers(&self) -> bool {
        #[cfg(feature = "cuda")]
        return self.task.is_some();
        #[cfg(not(feature = "cuda"))]
        false
    }

    /// The task, on CUDA.
    #[cfg(feature = "cuda")]
    pub fn task(&mut self) -> Option<&mut Task> {
        self.task.as_mut()
    }

    /// Starts all that was gathered. Arrays of the queue can then be used by any kernel.
    pub fn start(&mut self) {
        #[cfg(feature = "cuda")]
        if let Some(task) = &mut self.task {
            std::mem::take(task).run();
        }
    }
}

/// The result of an operation on the device of `like` by itself.
pub(crate) fn alone<T>(like: &CubeTensor, operation: impl FnOnce(&mut Queue) -> T) -> T {
    let mut queue = Queue::new(like);
    let result = operation(&mut queue);
    queue.start();
    result
}
