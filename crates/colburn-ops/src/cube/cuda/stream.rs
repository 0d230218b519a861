//! Tasks on CubeCL's CUDA stream, in order with the kernels that it launches.
//!
//! The server of a device lives on a thread of its own. A task is sent to that thread; it gets the stream and the addresses of the buffers.
//! CubeCL has no public access to either, so this depends on the exact version of its crates.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn_cubecl::tensor::CubeTensor;
use burn_std::id::StreamId;
use cubecl::server::{BufferBinding, Handle, Server as _, ServerStorage};
use cubecl_common::device::DeviceId;
use cubecl_common::device_handle::DeviceHandle;
use cubecl_cuda::CudaRuntime;
use cubecl_server::runtime::Runtime;
use cubecl_server::stream::WriteScoped;
use cudarc::driver::sys::CUstream;

type Server = <CudaRuntime as Runtime>::Server;

/// The stream, and the address of each buffer, as a task gets them.
pub(crate) struct OnStream<'a> {
    /// The stream of the thread that made the task.
    pub stream: CUstream,
    /// The device address of each buffer, in order.
    pub addresses: &'a [u64],
}

/// The first failure of a task. It is reported by the next task that is made: nobody waits for a task.
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

/// Memory of arrays, one behind the other, that is reserved by the task that it is given to.
pub(crate) struct Reservation {
    memory: Handle,
    bytes: u64,
    /// The least bytes of the pages of memory on this device.
    page: u64,
}

impl Reservation {
    /// Memory of no array yet, on the device of `like`.
    pub fn new(like: &CubeTensor) -> Self {
        let page = (like.client.properties().memory.max_page_size / 64).clamp(32 << 20, 512 << 20);
        Self { memory: Handle::new(like.handle.service, StreamId::current(), 0), bytes: 0, page }
    }

    /// The place of one more array, of so many bytes on the device of `like`. All places keep the whole memory.
    pub fn add(&mut self, like: &CubeTensor, bytes: usize) -> Handle {
        let (first, bytes) = (self.bytes, bytes as u64);
        self.bytes += bytes.next_multiple_of(like.client.properties().memory.alignment);
        let Handle { memory, service, stream, .. } = self.memory.clone();
        Handle::from_memory(memory, service, stream, self.bytes)
            .offset_start(first)
            .offset_end(self.bytes - first - bytes)
    }
}

/// Number of steps that may wait to be handed to the device's thread.
const WAITING_STEPS: usize = 32;

thread_local! {
    /// The bytes of the pages of each device, of the stream of this thread.
    static PAGES: RefCell<Vec<(DeviceId, u64)>> = const { RefCell::new(Vec::new()) };
}

/// The bytes of pages that have to be asked for before these reservations. CubeCL makes its pages as large as the largest reservation so far, and gives
/// back older ones late: pages that grow with each batch that is a little larger hold a multiple of the memory that is needed. So they begin large,
/// and grow to powers of two.
fn larger_pages(device: DeviceId, new: &[Reservation]) -> Option<u64> {
    let largest = new.iter().max_by_key(|new| new.bytes)?;
    PAGES.with_borrow_mut(|pages| {
        let known = pages.iter().position(|(known, _)| *known == device).unwrap_or_else(|| {
            pages.push((device, 0));
            pages.len() - 1
        });
        let page = &mut pages[known].1;
        let wanted =
            if largest.bytes <= largest.page { largest.page } else { (largest.bytes / 4 * 5).next_power_of_two() };
        (largest.bytes.max(largest.page) > *page).then(|| {
            *page = wanted;
            wanted
        })
    })
}

/// Runs a task of so many steps behind all work that was started before, with the addresses of these buffers. Memory for the new ones is reserved
/// first.
///
/// # Panics
/// When an earlier task has failed.
pub(crate) fn submit(
    new: Vec<Reservation>,
    buffers: Vec<BufferBinding>,
    steps: usize,
    task: impl FnOnce(OnStream<'_>) -> Result<(), String> + Send + 'static,
) {
    if let Some(failure) = FAILURE.lock().ok().and_then(|mut failure| failure.take()) {
        panic!("a CUDA call failed: {failure}");
    }
    let services = new.iter().map(|new| new.memory.service).chain(buffers.iter().map(|buffer| buffer.service));
    let Some(id) = services.map(|service| service.device).next() else { return };
    let current = StreamId::current();
    let device = DeviceHandle::<Server>::new(id);
    let page = larger_pages(id, &new);
    device.submit(move |server| {
        let done = (|| {
            if let Some(bytes) = page {
                let memory = Handle::new(new[0].memory.service, current, bytes);
                // Without room for a page of this size the reservations may still find theirs.
                let _ = server.initialize_memory(memory.memory, bytes, current);
            }
            for Reservation { memory, bytes, .. } in new {
                let reserved = server.initialize_memory(memory.memory, bytes, current);
                reserved.map_err(|error| format!("no memory for {bytes} bytes: {error:?}"))?;
            }
            let mut resources = Vec::with_capacity(buffers.len());
            for buffer in &buffers {
                let resource = server.get_resource(buffer.clone(), current);
                resources.push(resource.map_err(|error| format!("a buffer is gone: {error:?}"))?);
            }
            let addresses: Vec<u64> = resources.iter().map(|resource| resource.resource().ptr).collect();
            let stream = {
                let mut streams = server
                    .write_streams()
                    .resolve(current, buffers.iter())
                    .map_err(|error| format!("the stream is gone: {error:?}"))?;
                streams.current().sys
            };
            task(OnStream { stream, addresses: &addresses })
        })();
        if let Err(message) = done
            && let Ok(mut failure) = FAILURE.lock()
        {
            failure.get_or_insert(message);
        }
    });
    // CubeCL hands tasks over 32 at a time, whatever they hold.
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    if WAITING.fetch_add(steps, Ordering::Relaxed) + steps >= WAITING_STEPS {
        WAITING.store(0, Ordering::Relaxed);
        device.flush_queue();
    }
}
