//! Tasks on CubeCL's CUDA stream, in order with the kernels that it launches.
//!
//! The server of a device lives on a thread of its own. A task is sent to that thread; it gets the stream and the addresses of the buffers.
//! CubeCL has no public access to either, so this depends on the exact version of its crates.

use std::sync::Mutex;

use burn_cubecl::tensor::CubeTensor;
use burn_std::id::StreamId;
use cubecl::server::ServerStorage;
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
    /// The device address of each array, in order.
    pub addresses: &'a [u64],
}

/// The first failure of a task. It is reported by the next task that is made: nobody waits for a task.
static FAILURE: Mutex<Option<String>> = Mutex::new(None);

/// Runs the task behind all work that was started before, with the addresses of these arrays.
///
/// # Panics
/// When an earlier task has failed.
pub(crate) fn submit(arrays: &[&CubeTensor], task: impl FnOnce(OnStream<'_>) -> Result<(), String> + Send + 'static) {
    if let Some(failure) = FAILURE.lock().ok().and_then(|mut failure| failure.take()) {
        panic!("a CUDA call failed: {failure}");
    }
    let bindings: Vec<_> = arrays.iter().map(|array| array.handle.clone().binding()).collect();
    let Some(id) = bindings.first().map(|binding| binding.service.device) else { return };
    let current = StreamId::current();
    DeviceHandle::<Server>::new(id).submit(move |server| {
        let done = (|| {
            let mut resources = Vec::with_capacity(bindings.len());
            for binding in &bindings {
                let resource = server.get_resource(binding.clone(), current);
                resources.push(resource.map_err(|error| format!("a buffer is gone: {error:?}"))?);
            }
            let addresses: Vec<u64> = resources.iter().map(|resource| resource.resource().ptr).collect();
            let stream = {
                let mut streams = server
                    .write_streams()
                    .resolve(current, bindings.iter())
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
}
