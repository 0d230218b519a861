//! Kernels in CUDA C++, compiled by NVRTC, the compiler that CUDA has as a library, for the architecture of the device.
//!
//! A source includes nothing, for NVRTC finds no headers on a machine without CUDA's toolkit. A module is compiled when it is first asked for
//! on a device, or read from the user's cache folder; it stays until the end of the process.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cudarc::driver::result::{ctx, device, function, launch_kernel, module};
use cudarc::driver::sys::{self as driver, CUdevice_attribute, CUfunction_attribute};
use cudarc::nvrtc::{result as compiler, sys};

use super::compiled;
use crate::cube::launches;

/// Bytes of shared memory that a function may have without asking for more.
const PLAIN_SHARED: u32 = 48 << 10;

/// True if NVRTC is there.
pub(crate) fn is_present() -> bool {
    // SAFETY: it loads the library by its name and lets it go again.
    static PRESENT: LazyLock<bool> = LazyLock::new(|| unsafe { sys::is_culib_present() });
    *PRESENT
}

/// A source that was compiled for one device.
pub(crate) struct Module {
    handle: driver::CUmodule,
    /// The functions that were asked for, with the shared memory that each of them may have.
    functions: Mutex<HashMap<&'static CStr, (Function, u32)>>,
}

// SAFETY: a module is a handle, which the driver takes on any thread.
unsafe impl Send for Module {}
// SAFETY: as above; what changes is behind a lock.
unsafe impl Sync for Module {}

/// A kernel of a module.
#[derive(Clone, Copy)]
pub(crate) struct Function(driver::CUfunction);

/// The number of blocks, the number of threads of each, and the bytes of shared memory that a block asks for beside those it declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch {
    pub grid: (u32, u32, u32),
    pub block: (u32, u32, u32),
    pub shared: u32,
}

impl Launch {
    /// One dimension, without further shared memory.
    pub fn new(blocks: u32, threads: u32) -> Self {
        Self { grid: (blocks, 1, 1), block: (threads, 1, 1), shared: 0 }
    }
}

/// The modules of each context and source, with their options.
type Modules = HashMap<(usize, usize), Vec<(Vec<String>, Arc<Module>)>>;

impl Module {
    /// The module of this source with these options on the device of the current context. To be called in a task on CubeCL's stream.
    ///
    /// # Errors
    /// When there is no context, or the source does not compile.
    pub fn load(source: &'static str, options: &[String]) -> Result<Arc<Self>, String> {
        static MODULES: LazyLock<Mutex<Modules>> = LazyLock::new(Mutex::default);
        let context = ctx::get_current().map_err(of_driver)?.ok_or("no CUDA context on this thread")?;
        let key = (context.addr(), source.as_ptr().addr());
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = modules.entry(key).or_default();
        if let Some((_, module)) = of_source.iter().find(|(known, _)| known == options) {
            return Ok(module.clone());
        }
        let module = Arc::new(Self { handle: load(source, options)?, functions: Mutex::default() });
        of_source.push((options.to_vec(), module.clone()));
        Ok(module)
    }

    /// A function of the module that may be launched with so many bytes of shared memory, and less.
    ///
    /// # Errors
    /// When there is no such function, or the device has not so much memory.
    pub fn function(&self, name: &'static CStr, shared: u32) -> Result<Function, String> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let (function, allowed) = match functions.get(name) {
            Some(known) => *known,
            None => {
                // SAFETY: the module is never unloaded.
                let found = unsafe { module::get_function(self.handle, name.to_owned()) };
                (Function(found.map_err(of_driver)?), PLAIN_SHARED)
            }
        };
        if shared > allowed {
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function belongs to a module that is never unloaded.
            unsafe { function::set_function_attribute(function.0, attribute, shared as i32) }.map_err(of_driver)?;
        }
        functions.insert(name, (function, allowed.max(shared)));
        Ok(function)
    }
}

impl Function {
    /// Queues the kernel. `arguments` are the addresses of its arguments, in order.
    ///
    /// # Safety
    /// The arguments have the number and types of the kernel's parameters. Memory that the kernel reads or writes is alive until work that is
    /// queued later on the stream, and the stream is one of the module's context.
    ///
    /// # Errors
    /// When the driver refuses the launch.
    pub unsafe fn launch(
        self,
        stream: driver::CUstream,
        Launch { grid, block, shared }: Launch,
        arguments: &mut [*mut c_void],
    ) -> Result<(), String> {
        launches::count();
        // SAFETY: the caller answers for the arguments.
        unsafe { launch_kernel(self.0, grid, block, shared, stream, arguments) }.map_err(of_driver)
    }
}

/// The address of a value, as an argument of [`Function::launch`].
pub(crate) fn argument<T>(value: &mut T) -> *mut c_void {
    (&raw mut *value).cast()
}

fn load(source: &str, options: &[String]) -> Result<driver::CUmodule, String> {
    let architecture = architecture()?;
    let version = version()?;
    let mut texts = vec![source, architecture.as_str(), version.as_str()];
    texts.extend(options.iter().map(String::as_str));
    let file = compiled::file(&texts);
    // SAFETY: the code is whole, as its hash shows.
    let load = |code: &[u8]| unsafe { module::load_data(code.as_ptr().cast()) };
    if let Some(code) = file.as_deref().and_then(compiled::read)
        && let Ok(module) = load(&code)
    {
        return Ok(module);
    }
    let code = compile(source, &architecture, options)?;
    if let Some(file) = file {
        compiled::write(&file, &code);
    }
    load(&code).map_err(of_driver)
}

/// The architecture of the current device by its name in NVRTC's options, with its own instructions where it has such.
fn architecture() -> Result<String, String> {
    let mut current = 0;
    // SAFETY: it writes the number of the device.
    unsafe { driver::cuCtxGetDevice(&raw mut current) }.result().map_err(of_driver)?;
    // SAFETY: the device is that of the current context.
    let attribute = |attribute| unsafe { device::get_attribute(current, attribute) }.map_err(of_driver);
    let major = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(format!("sm_{major}{minor}{}", if major >= 9 { "a" } else { "" }))
}

fn version() -> Result<String, String> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: it writes both numbers.
    let found = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    found.result().map_err(|error| format!("NVRTC: {error}"))?;
    Ok(format!("{major}.{minor}"))
}

/// Machine code of a source.
fn compile(source: &str, architecture: &str, options: &[String]) -> Result<Vec<u8>, String> {
    let source = CString::new(source).map_err(|error| error.to_string())?;
    let mut all = vec![format!("--gpu-architecture={architecture}")];
    all.extend_from_slice(options);
    let program = compiler::create_program(&source, None).map_err(|error| format!("NVRTC: {error}"))?;
    // SAFETY: the program is alive until it is destroyed below.
    let code = unsafe { compiler::compile_program(program, &all).and_then(|()| code(program)) };
    let code = code.map_err(|error| {
        // SAFETY: as above.
        let log = unsafe { compiler::get_program_log(program) }.unwrap_or_default();
        let log: Vec<u8> = log.into_iter().map(|letter| letter as u8).take_while(|&letter| letter != 0).collect();
        format!("NVRTC for {architecture}: {error}: {}", String::from_utf8_lossy(&log))
    });
    // SAFETY: nothing refers to the program any more.
    let _ = unsafe { compiler::destroy_program(program) };
    code
}

/// # Safety
/// The program was compiled and is alive.
unsafe fn code(program: sys::nvrtcProgram) -> Result<Vec<u8>, compiler::NvrtcError> {
    let mut size = 0;
    // SAFETY: it writes the size.
    unsafe { sys::nvrtcGetCUBINSize(program, &raw mut size) }.result()?;
    let mut code = vec![0u8; size];
    // SAFETY: there is room for so many bytes.
    unsafe { sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()) }.result()?;
    Ok(code)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn of_driver(error: cudarc::driver::DriverError) -> String {
    format!("CUDA: {error}")
}
