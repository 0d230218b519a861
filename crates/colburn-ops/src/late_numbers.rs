//! Numbers of the device that are read later than they are made.

use std::fmt::{self, Debug, Formatter};
use std::result::Result;

use burn::tensor::{DType, Tensor};

/// Numbers on their way from the device to the host. On CubeCL devices the copy is queued at once, behind the work that makes the numbers
/// and ahead of all later work, so that reading them later waits for nothing else.
pub struct LateNumbers(Source);

#[allow(clippy::large_enum_variant, reason = "one is made a step or a batch")]
enum Source {
    #[cfg(feature = "cube")]
    Copy(std::pin::Pin<Box<dyn Future<Output = Result<Vec<f32>, String>> + Send>>),
    Tensor(Tensor<1>),
}

impl LateNumbers {
    /// Queues the copy of these numbers. They are read in the order of their rows.
    pub fn new<const D: usize>(numbers: Tensor<D>) -> Self {
        let numbers = numbers.inner();
        #[cfg(feature = "cube")]
        if let Ok(array) = numbers.clone().try_into_primitive::<burn_cubecl::CubeBackend>()
            && matches!(array.dtype, DType::F32 | DType::F16)
        {
            return Self(Source::Copy(Box::pin(crate::cube::array::download(array))));
        }
        let count = numbers.shape().num_elements();
        Self(Source::Tensor(numbers.reshape([count])))
    }

    /// Queues the copy of these numbers, rounded to f16 if the device has it: half as many bytes.
    pub fn rounded<const D: usize>(numbers: Tensor<D>) -> Self {
        if numbers.device().supports_dtype(DType::F16) {
            Self::new(numbers.cast(DType::F16))
        } else {
            Self::new(numbers)
        }
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
                let data = numbers.try_into_data_as::<f32>().map_err(|error| error.to_string())?;
                data.try_into_vec::<f32>().map_err(|error| format!("{error:?}"))
            }
        }
    }
}

impl Debug for LateNumbers {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("LateNumbers")
    }
}

#[cfg(test)]
#[cfg(feature = "flex")]
mod tests {
    use burn::tensor::{Device, Tensor};

    use super::*;

    #[test]
    fn numbers_come_in_the_order_of_their_rows() {
        let numbers = Tensor::<2>::from_data([[1.0, 2.5], [-3.0, 0.1]], &Device::flex());
        assert_eq!(LateNumbers::new(numbers.clone()).read().unwrap(), [1.0, 2.5, -3.0, 0.1]);
        let transposed = LateNumbers::new(numbers.transpose()).read().unwrap();
        assert_eq!(transposed, [1.0, -3.0, 2.5, 0.1]);
        assert!(LateNumbers::new(Tensor::<2>::zeros([0, 3], &Device::flex())).read().unwrap().is_empty());
    }

    // import numpy; numpy.float32([1.0, 0.1, 1e-9]).astype("float16").astype("float32").tolist()
    #[test]
    fn rounded_numbers_are_those_of_f16() {
        let numbers = Tensor::<1>::from_data([1.0, 0.1, 1e-9], &Device::flex());
        assert_eq!(LateNumbers::rounded(numbers).read().unwrap(), [1.0, 0.099_975_586, 0.0]);
    }
}

#[cfg(test)]
#[cfg(all(feature = "flex", feature = "cube"))]
mod cube_tests {
    use super::*;
    use crate::cube::testing::tensor;

    /// A device whose rows are apart, or that has no f16, gives the same numbers.
    #[test]
    fn rows_of_a_cube_device_come_in_order_rounded_or_not() {
        let numbers: Vec<f32> = (0..3 * 5).map(|number| number as f32 * 0.25 - 1.5).collect();
        let x = tensor(numbers.clone(), [3, 5]);
        assert_eq!(LateNumbers::new(x.clone()).read().unwrap(), numbers);
        assert_eq!(LateNumbers::rounded(x.clone()).read().unwrap(), numbers);
        let transposed: Vec<f32> = (0..15).map(|at| numbers[at % 3 * 5 + at / 3]).collect();
        assert_eq!(LateNumbers::new(x.transpose()).read().unwrap(), transposed);
    }
}
