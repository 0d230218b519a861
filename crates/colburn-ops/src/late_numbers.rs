//! Numbers of the device that are read later than they are made.

use std::fmt::{self, Debug, Formatter};
use std::result::Result;

use burn::tensor::Tensor;

/// Numbers on their way from the device to the host. On CubeCL devices the copy is queued at once, behind the work that makes the numbers
/// and ahead of all later work, so that reading them later waits for nothing else.
pub struct LateNumbers(Source);

#[allow(clippy::large_enum_variant, reason = "one is made a step")]
enum Source {
    #[cfg(feature = "cube")]
    Copy(std::pin::Pin<Box<dyn Future<Output = Result<Vec<f32>, String>> + Send>>),
    Tensor(Tensor<1>),
}

impl LateNumbers {
    /// Queues the copy of these numbers.
    pub fn new(numbers: Tensor<1>) -> Self {
        let numbers = numbers.inner();
        #[cfg(feature = "cube")]
        if let Ok(array) = numbers.clone().try_into_primitive::<burn_cubecl::CubeBackend>()
            && array.dtype == burn::tensor::DType::F32
        {
            return Self(Source::Copy(Box::pin(crate::cube::array::download(array))));
        }
        Self(Source::Tensor(numbers))
    }

    /// The numbers.
    ///
    /// # Errors
    /// The message of the device when it has failed.
    pub fn read(self) -> Result<Vec<f32>, String> {
        match self.0 {
            #[cfg(feature = "cube")]
            Source::Copy(copy) => burn_std::future::block_on(copy),
            Source::Tensor(numbers) => {
                let data = numbers.try_into_data().map_err(|error| error.to_string())?;
                Ok(data.iter::<f32>().collect())
            }
        }
    }
}

impl Debug for LateNumbers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("LateNumbers")
    }
}
