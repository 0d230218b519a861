//! Kernels in CUDA C++, compiled by NVRTC, the compiler that CUDA has as a library, for the architecture of the device.
//!
//! A source includes nothing, for NVRTC finds no headers on a machine without CUDA's toolkit. It is compiled when it is first asked for on a
//! device, or read from the user's cache folder; the module stays until the end of the process.

use std::ffi::{CStr, CString, c_void};
use std::sync::{LazyLock, Mutex, PoisonError};

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

/// A define of a source.
type Define = (&'static str, u32);

/// A source with the modules that it was compiled to, one for each list of defines.
pub(crate) struct Source {
    text: &'static str,
    /// Options of the compiler that all modules have.
    options: &'static [&'static str],
    codes: Mutex<Vec<(Vec<Define>, &'static Code)>>,
}

/// A source with its defines. It is compiled for each device on which it is first asked for a function.
pub(crate) struct Code {
    text: &'static str,
    options: Vec<String>,
    modules: Mutex<Vec<Module>>,
}

/// A source that was compiled for one device.
struct Module {
    /// The context that it belongs to.
    context: usize,
    handle: driver::CUmodule,
    /// The functions that were asked for, with the shared memory that each of them may have.
    functions: Vec<(&'static CStr, Function, u32)>,
}

// SAFETY: a module is a handle, which the driver takes on any thread.
unsafe impl Send for Module {}

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

impl Source {
    /// A source, to be compiled with these options beside the defines.
    pub const fn new(text: &'static str, options: &'static [&'static str]) -> Self {
        Self { text, options, codes: Mutex::new(Vec::new()) }
    }

    /// The code with these defines. It stays until the end of the process, so there should be few lists of defines.
    pub fn with(&self, defines: &[Define]) -> &'static Code {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, code)) = codes.iter().find(|(known, _)| known == defines) {
            return code;
        }
        let defined = defines.iter().map(|(name, value)| format!("-D{name}={value}"));
        let options = ["--std=c++17"].iter().chain(self.options).map(|option| (*option).to_owned()).chain(defined);
        let code = Code { text: self.text, options: options.collect(), modules: Mutex::default() };
        let code: &'static Code = Box::leak(Box::new(code));
        codes.push((defines.to_vec(), code));
        code
    }
}

impl Code {
    /// A function that may be launched with so many bytes of shared memory, and less, on the device of the current context. To be called in a
    /// task on CubeCL's stream.
    ///
    /// # Errors
    /// When there is no context or no such function, the source does not compile, or the device has not so much memory.
    pub fn function(&self, name: &'static CStr, shared: u32) -> Result<Function, String> {
        let context = ctx::get_current().map_err(of_driver)?.ok_or("no CUDA context on this thread")?.addr();
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let place = match modules.iter().position(|module| module.context == context) {
            Some(place) => place,
            None => {
                modules.push(Module { context, handle: load(self.text, &self.options)?, functions: Vec::new() });
                modules.len() - 1
            }
        };
        let Module { handle, functions, .. } = &mut modules[place];
        let place = match functions.iter().position(|(known, ..)| *known == name) {
            Some(place) => place,
            None => {
                // SAFETY: the module is never unloaded.
                let found = unsafe { module::get_function(*handle, name.to_owned()) };
                functions.push((name, Function(found.map_err(of_driver)?), PLAIN_SHARED));
                functions.len() - 1
            }
        };
        let (_, function, allowed) = &mut functions[place];
        if shared > *allowed {
            let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function belongs to a module that is never unloaded.
            unsafe { function::set_function_attribute(function.0, attribute, shared as i32) }.map_err(of_driver)?;
            *allowed = shared;
        }
        Ok(*function)
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
