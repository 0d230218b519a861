//! Arrays of kernels: contiguous tensors of f32, bf16 or f16, and lists of integers.

use std::sync::{Mutex, PoisonError};

use burn::backend::DispatchDevice;
use burn::tensor::{DType, Device};
use burn_cubecl::{CubeDevice, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor};
use cubecl::client::Client;
use cubecl::prelude::BufferArg;
use cubecl::{CubeCount, ir::ElemType};
use half::{f16, slice::HalfFloatSliceExt};

/// The sizes of an array of two dimensions.
///
/// # Panics
/// When it has another number of dimensions.
pub(crate) fn sizes<const D: usize>(x: &CubeTensor) -> [usize; D] {
    let shape = x.meta.shape();
    assert_eq!(shape.num_dims(), D, "the dimensions of an array");
    std::array::from_fn(|dimension| shape[dimension])
}

/// Number of elements.
pub(crate) fn len(x: &CubeTensor) -> usize {
    x.meta.num_elements()
}

/// A contiguous array on the device of `like`, of undefined content.
pub(crate) fn empty<const D: usize>(like: &CubeTensor, sizes: [usize; D], dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), sizes.into(), dtype)
}

/// The type of the elements, as kernels take it.
pub(crate) fn element(x: &CubeTensor) -> ElemType {
    burn::backend::cubecl::dtype_to_elem_type(x.dtype)
}

/// The CubeCL device of a device, with or without a graph.
///
/// # Panics
/// When it is one of another backend.
pub(crate) fn cube_device(device: &Device) -> CubeDevice {
    match device.as_dispatch() {
        DispatchDevice::Cube(device) => device.clone(),
        DispatchDevice::Autodiff(inner) => match &**inner {
            DispatchDevice::Cube(device) => device.clone(),
            other => panic!("{other:?} has no CubeCL kernels"),
        },
        other => panic!("{other:?} has no CubeCL kernels"),
    }
}

/// Numbers of the host in an array of the device. They are copied without waiting.
pub(crate) fn upload(device: &CubeDevice, numbers: &[u32]) -> CubeTensor {
    let client = device.client();
    // A buffer of nothing cannot be bound.
    let numbers = if numbers.is_empty() { &[0] } else { numbers };
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
    let handle = client.create_from_slice(&bytes);
    CubeTensor::new_contiguous(client, device.clone(), [numbers.len()].into(), handle, DType::U32)
}

/// Lists of numbers of the host on the device, in one copy that is not waited for.
#[cfg(feature = "cuda")]
pub(crate) fn upload_lists<const N: usize>(device: &CubeDevice, lists: [&[u32]; N]) -> [CubeTensor; N] {
    let client = device.client();
    // A buffer begins where the device can address one, and has an element at least.
    let unit = (client.properties().memory.alignment as usize).div_ceil(size_of::<u32>());
    let rooms = lists.map(|list| list.len().max(1).next_multiple_of(unit));
    let mut numbers = Vec::with_capacity(rooms.iter().sum());
    for (list, room) in lists.iter().zip(rooms) {
        let end = numbers.len() + room;
        numbers.extend_from_slice(list);
        numbers.resize(end, 0);
    }
    let all = upload(device, &numbers);
    let (mut start, total) = (0, numbers.len());
    std::array::from_fn(|at| {
        let (first, count) = (start, lists[at].len().max(1));
        start += rooms[at];
        let bytes = |elements: usize| (elements * size_of::<u32>()) as u64;
        let handle = all.handle.clone().offset_start(bytes(first)).offset_end(bytes(total - first - count));
        CubeTensor::new_contiguous(client.clone(), device.clone(), [count].into(), handle, DType::U32)
    })
}

/// The numbers of an array of f32 or f16 on the host. The copy is queued now; the future waits for it and for nothing that is queued later.
pub(crate) fn download(array: CubeTensor) -> impl Future<Output = Result<Vec<f32>, String>> + Send + 'static {
    let array = burn_cubecl::kernel::into_contiguous(array);
    let (count, dtype) = (len(&array), array.dtype);
    let copy = lasting_client(&array).read_async(vec![array.handle]);
    async move {
        let bytes = copy.await.map_err(|error| format!("{error:?}"))?.swap_remove(0);
        Ok(match dtype {
            DType::F16 => {
                let numbers = bytes.as_chunks::<2>().0.iter().take(count);
                // As a slice, because the processor converts eight at a time.
                numbers.map(|bytes| f16::from_ne_bytes(*bytes)).collect::<Vec<f16>>().to_f32_vec()
            }
            _ => bytes.as_chunks::<4>().0.iter().take(count).map(|bytes| f32::from_ne_bytes(*bytes)).collect(),
        })
    }
}

/// A client of the array's device that lives as long as the process, one for each device: a copy that is under way borrows its client.
fn lasting_client(array: &CubeTensor) -> &'static Client {
    static CLIENTS: Mutex<Vec<(CubeDevice, &Client)>> = Mutex::new(Vec::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    match clients.iter().find(|(device, _)| *device == array.device) {
        Some((_, client)) => client,
        None => {
            let client: &'static Client = Box::leak(Box::new(array.client.clone()));
            clients.push((array.device.clone(), client));
            client
        }
    }
}

/// So many bytes of undefined content.
#[cfg(feature = "cuda")]
pub(crate) fn bytes(device: &CubeDevice, count: usize) -> CubeTensor {
    let client = device.client();
    let handle = client.empty(count);
    CubeTensor::new_contiguous(client, device.clone(), [count].into(), handle, DType::U8)
}

/// The array as a kernel's argument, without copies of its sizes.
pub(crate) fn argument(x: &CubeTensor) -> BufferArg {
    // SAFETY: the length is that of the array, and the handle that of its buffer.
    unsafe { BufferArg::from_raw_parts(x.handle.clone(), len(x)) }
}

/// The largest number of elements of a vector, up to `most`, into which rows of these sizes can be cut.
pub(crate) fn vector_size(sizes: &[usize], most: usize) -> usize {
    let divides = |vector: &usize| *vector <= most && sizes.iter().all(|size| size.is_multiple_of(*vector));
    [8, 4, 2].into_iter().find(divides).unwrap_or(1)
}

/// Number of elements that a unit loads at once: 16 bytes, or less on a device with shorter vectors.
pub(crate) fn widest(x: &CubeTensor) -> usize {
    (16 / x.dtype.size()).min(x.client.properties().hardware.max_vector_size)
}

/// So many cubes, in two dimensions if they are more than one may have. The last ones may have nothing to do.
pub(crate) fn cubes(count: usize) -> CubeCount {
    const MOST: usize = 65_535;
    if count <= MOST {
        return CubeCount::Static(count as u32, 1, 1);
    }
    CubeCount::Static(MOST as u32, count.div_ceil(MOST) as u32, 1)
}

/// Number of buffers that a kernel binds at most.
pub(crate) fn max_buffers(x: &CubeTensor) -> usize {
    x.client.properties().hardware.max_bindings as usize
}
