//! The sum `mask · (x + bias) + residual`: the end of a half of a layer, and the input of the norm behind it. The bias is that of the linear
//! layer before, whose product then writes nothing but its sums.

#[cfg(feature = "cuda")]
mod cuda;
mod portable;
mod sum;

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;

pub(crate) use self::portable::sum_at;
pub(crate) use self::sum::Terms;
use super::array::empty;
use super::queue::Queue;
use super::room::Room;

impl Terms {
    /// The sum.
    pub fn sum(&self, queue: &mut Queue, dtype: DType) -> CubeTensor {
        self.sum_in(queue, Room::Shared, dtype)
    }

    /// The same, in this room.
    pub fn sum_in(&self, queue: &mut Queue, room: Room, dtype: DType) -> CubeTensor {
        let [rows, width] = self.sizes();
        if self.buffers() == 1 && self.x.dtype == dtype {
            return self.x.clone();
        }
        if rows * width == 0 {
            return empty(&self.x, [rows, width], dtype);
        }
        #[cfg(feature = "cuda")]
        if let Some(task) = queue.task()
            && dtype == DType::F32
            && cuda::serves(self)
        {
            return cuda::sum(task, room, self);
        }
        let _ = room;
        queue.start();
        portable::sum(self, dtype)
    }
}
