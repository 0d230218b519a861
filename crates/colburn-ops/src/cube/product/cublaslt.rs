//! Products by NVIDIA's cuBLASLt, which is loaded at run time.
//!
//! The matrices lie row by row; cuBLASLt reads column by column, and so computes `outᵀ = bᵀ · aᵀ` on the same memory. Sums are in f32. The
//! algorithm is chosen once for a class of shapes, by the library's heuristic for the largest shape of the class. So a shape has the same
//! algorithm in every run, and a new number of tokens costs no search.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{LazyLock, Mutex};

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cudarc::cublaslt::{result as lt, sys};

use super::matrix::{Arithmetic, Matrix};
use crate::cube::array::bytes;
use crate::cube::cuda::OnStream;
use crate::cube::cuda::task::{Place, Task};
use crate::cube::launches;

/// Bytes of the workspace. NVIDIA recommends 32 MiB on Hopper.
const WORKSPACE: usize = 32 << 20;

/// Numbers of tokens up to this are classes of their own; larger ones are rounded up to a multiple of an eighth of the power of two below.
const EXACT: usize = 512;

/// True if the library is there.
pub(super) fn serves() -> bool {
    static PRESENT: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: it loads the library by its name and lets it go again.
        let present = unsafe { sys::is_culib_present() };
        if !present {
            tracing::warn!(
                "libcublasLt was not found: matrix products are 7 to 50 times slower; add the folder of CUDA's libraries to LD_LIBRARY_PATH"
            );
        }
        present
    });
    *PRESENT
}

thread_local! {
    /// The workspace of this thread's stream on each device, by the device's number.
    static WORKSPACES: RefCell<HashMap<u16, CubeTensor>> = RefCell::default();
}

fn workspace(like: &CubeTensor) -> CubeTensor {
    let device = like.device.to_id().index_id;
    WORKSPACES.with_borrow_mut(|known| known.entry(device).or_insert_with(|| bytes(&like.device, WORKSPACE)).clone())
}

/// As `product` of the module above, as a step of a task.
pub(super) fn product(
    task: &mut Task,
    a: &Matrix,
    b: &Matrix,
    bias: Option<&CubeTensor>,
    add: bool,
    out: &Matrix,
    arithmetic: Arithmetic,
) {
    let call = Call { a: Side::new(a), b: Side::new(b), out: Side::new(out), add, bias: bias.is_some(), arithmetic };
    launches::count();
    let places = Places {
        a: task.array(&a.array),
        b: task.array(&b.array),
        out: task.array(&out.array),
        workspace: task.array(&workspace(&out.array)),
        bias: bias.map(|bias| task.array(bias)),
    };
    task.step(move |at| call.run(at, &places).map_err(|error| format!("cuBLASLt: {error:?} in {call:?}")));
}

/// The arrays of a call in its task.
struct Places {
    a: Place,
    b: Place,
    out: Place,
    workspace: Place,
    bias: Option<Place>,
}

/// One matrix of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Side {
    element: DType,
    first: usize,
    rows: usize,
    columns: usize,
    stride: usize,
    transposed: bool,
    batch: (usize, usize),
}

impl Side {
    fn new(matrix: &Matrix) -> Self {
        let Matrix { array, first, rows, columns, stride, transposed, batch } = matrix;
        Self {
            element: array.dtype,
            first: *first,
            rows: *rows,
            columns: *columns,
            stride: *stride,
            transposed: *transposed,
            batch: *batch,
        }
    }

    /// The address of its first element.
    fn address(&self, array: u64) -> u64 {
        array + (self.first * self.element.size()) as u64
    }

    /// The side with this number of rows, from the first element of an array on.
    fn with_rows(self, rows: usize) -> Self {
        Self { first: 0, rows, ..self }
    }

    fn data_type(&self) -> sys::cudaDataType {
        match self.element {
            DType::BF16 => sys::cudaDataType_t::CUDA_R_16BF,
            DType::F16 => sys::cudaDataType_t::CUDA_R_16F,
            _ => sys::cudaDataType_t::CUDA_R_32F,
        }
    }

    /// `cublasOperation_t`, which cudarc's bindings of this library do not name: as it lies, or transposed.
    fn operation(&self) -> i32 {
        i32::from(self.transposed)
    }
}

fn class(size: usize) -> usize {
    if size <= EXACT { size } else { size.next_multiple_of(1 << (size.ilog2() - 3)) }
}

/// A product. As a key, with sizes rounded up, it names a class of shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Call {
    a: Side,
    b: Side,
    out: Side,
    add: bool,
    bias: bool,
    arithmetic: Arithmetic,
}

/// The library's handle, and the algorithm of each class. They serve all devices of the same kind, as primary contexts do.
struct Library {
    handle: sys::cublasLtHandle_t,
    algorithms: HashMap<Call, sys::cublasLtMatmulAlgo_t>,
}

// SAFETY: cuBLASLt's handle may be used from any thread.
unsafe impl Send for Library {}

/// The library of each context. A task runs on the thread of its device, on which that device's context is current.
static LIBRARIES: LazyLock<Mutex<HashMap<usize, Library>>> = LazyLock::new(Mutex::default);

impl Call {
    /// The largest call of the class. Its number of tokens, which are the rows of `a`, is rounded up.
    fn class(self) -> Self {
        let (a, b, out) = (self.a, self.b, self.out);
        let tokens = class(a.rows);
        match (a.transposed, b.transposed) {
            (false, _) => Self { a: a.with_rows(tokens), b: b.with_rows(b.rows), out: out.with_rows(tokens), ..self },
            (true, false) => {
                Self { a: a.with_rows(tokens), b: b.with_rows(tokens), out: out.with_rows(out.rows), ..self }
            }
            (true, true) => self,
        }
    }

    fn run(&self, at: &OnStream<'_>, places: &Places) -> Result<(), lt::CublasError> {
        let context = cudarc::driver::result::ctx::get_current().ok().flatten().map_or(0, |context| context as usize);
        let mut libraries = LIBRARIES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let library = match libraries.entry(context) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(Library { handle: lt::create_handle()?, algorithms: HashMap::new() })
            }
        };
        let handle = library.handle;
        let bias = places.bias.map(|bias| at.address(bias));
        let descriptors = Descriptors::new(self, bias)?;
        let algorithm = match library.algorithms.get(&self.class()) {
            Some(algorithm) => *algorithm,
            None => {
                let found = Descriptors::new(&self.class(), bias)?.search(handle)?;
                library.algorithms.insert(self.class(), found);
                found
            }
        };
        match descriptors.multiply(handle, self, at, places, &algorithm) {
            // The algorithm of the class cannot do this member of it.
            Err(lt::CublasError(
                sys::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED | sys::cublasStatus_t::CUBLAS_STATUS_INVALID_VALUE,
            )) => descriptors.multiply(handle, self, at, places, &descriptors.search(handle)?),
            done => done,
        }
    }
}

/// The descriptors of a call.
struct Descriptors {
    product: sys::cublasLtMatmulDesc_t,
    /// Of b, a and out, in the library's order.
    layouts: [sys::cublasLtMatrixLayout_t; 3],
}

impl Descriptors {
    fn new(call: &Call, bias: Option<u64>) -> Result<Self, lt::CublasError> {
        use sys::cublasLtMatmulDescAttributes_t as Attribute;
        let compute = if call.arithmetic.tf32 && call.a.element == DType::F32 {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32
        } else {
            sys::cublasComputeType_t::CUBLAS_COMPUTE_32F
        };
        let product = lt::create_matmul_desc(compute, sys::cudaDataType_t::CUDA_R_32F)?;
        let mut all = Self { product, layouts: [std::ptr::null_mut(); 3] };
        all.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, &call.b.operation())?;
        all.set(Attribute::CUBLASLT_MATMUL_DESC_TRANSB, &call.a.operation())?;
        if let Some(bias) = bias.filter(|_| call.bias) {
            all.set(Attribute::CUBLASLT_MATMUL_DESC_EPILOGUE, &sys::cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS)?;
            all.set(Attribute::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias)?;
        }
        for (layout, side) in all.layouts.iter_mut().zip([&call.b, &call.a, &call.out]) {
            *layout =
                lt::create_matrix_layout(side.data_type(), side.columns as u64, side.rows as u64, side.stride as i64)?;
            let (count, distance) = side.batch;
            if count > 1 {
                use sys::cublasLtMatrixLayoutAttribute_t as Attribute;
                let (count, distance) = (count as i32, distance as i64);
                // SAFETY: both attributes are of the size that is given.
                unsafe {
                    let count = (&raw const count).cast::<c_void>();
                    lt::set_matrix_layout_attribute(*layout, Attribute::CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, count, 4)?;
                    let distance = (&raw const distance).cast::<c_void>();
                    let attribute = Attribute::CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET;
                    lt::set_matrix_layout_attribute(*layout, attribute, distance, 8)?;
                }
            }
        }
        Ok(all)
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), lt::CublasError> {
        // SAFETY: each caller gives a value of the attribute's type.
        unsafe { lt::set_matmul_desc_attribute(self.product, attribute, (&raw const *value).cast(), size_of::<T>()) }
    }

    /// The algorithm that the library's heuristic puts first.
    fn search(&self, handle: sys::cublasLtHandle_t) -> Result<sys::cublasLtMatmulAlgo_t, lt::CublasError> {
        let preference = lt::create_matmul_pref()?;
        let attribute = sys::cublasLtMatmulPreferenceAttributes_t::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
        let bytes = WORKSPACE;
        let [b, a, out] = self.layouts;
        // SAFETY: descriptors, preference and handle are alive, and the attribute is of the size that is given.
        unsafe {
            let found = lt::set_matmul_pref_attribute(preference, attribute, (&raw const bytes).cast(), 8)
                .and_then(|()| lt::get_matmul_algo_heuristic(handle, self.product, b, a, out, out, preference));
            lt::destroy_matmul_pref(preference)?;
            Ok(found?.algo)
        }
    }

    fn multiply(
        &self,
        handle: sys::cublasLtHandle_t,
        call: &Call,
        at: &OnStream<'_>,
        places: &Places,
        algorithm: &sys::cublasLtMatmulAlgo_t,
    ) -> Result<(), lt::CublasError> {
        let (one, beta) = (1f32, if call.add { 1f32 } else { 0f32 });
        let [b, a, out] = self.layouts;
        let place = |array: Place, side: &Side| side.address(at.address(array));
        let target = place(places.out, &call.out);
        // SAFETY: the addresses are those of live buffers that hold the matrices, the workspace is as large as was promised, and the
        // stream is that of the buffers.
        unsafe {
            lt::matmul(
                handle,
                self.product,
                (&raw const one).cast(),
                (&raw const beta).cast(),
                place(places.b, &call.b) as *const c_void,
                b,
                place(places.a, &call.a) as *const c_void,
                a,
                target as *const c_void,
                out,
                target as *mut c_void,
                out,
                algorithm,
                at.address(places.workspace) as *mut c_void,
                WORKSPACE,
                at.stream.cast(),
            )
        }
    }
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // SAFETY: they were created here and nothing else destroys them. A layout that was not created is null.
        unsafe {
            let _ = lt::destroy_matmul_desc(self.product);
            for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
                let _ = lt::destroy_matrix_layout(layout);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn classes_are_few_and_not_much_larger() {
        assert_eq!([1, 384, 512].map(class), [1, 384, 512]);
        for size in 513..70_000usize {
            assert!(class(size) >= size && class(size) * 8 <= size * 9, "{size}");
        }
        let classes: std::collections::HashSet<_> = (4096..8192).map(class).collect();
        assert_eq!(classes.len(), 9);
    }
}
