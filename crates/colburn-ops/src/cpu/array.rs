//! The arrays that CPU kernels compute on: the numbers of a tensor of flex, side by side in memory.

use std::ops::Deref;

use burn::backend::Flex;
use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

use crate::kernel::KernelBackend;

/// The numbers of a tensor in row-major order, and its shape. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Array(FlexTensor);

impl Array {
    /// # Panics
    /// When the shape has not as many places as there are numbers.
    pub fn new<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "numbers for an array of shape {shape:?}");
        Self(FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape)), DType::F32))
    }

    /// The numbers of a tensor of f32. They are copied if they lie scattered.
    pub fn from_flex(tensor: FlexTensor) -> Self {
        if tensor.is_contiguous() { Self(tensor) } else { Self(tensor.to_contiguous()) }
    }

    pub fn into_flex(self) -> FlexTensor {
        self.0
    }

    /// The length of each dimension.
    pub fn shape<const D: usize>(&self) -> [usize; D] {
        self.0.layout().shape().dims()
    }

    /// Rows and width, all but the last dimension being rows.
    pub fn rows(&self) -> [usize; 2] {
        let width = self.0.layout().shape().iter().last().copied().unwrap_or(1);
        [self.len().checked_div(width).unwrap_or(0), width]
    }

    /// The array with numbers that may be written over. It is the array itself if nothing else shares the numbers, which is known only
    /// after other clones are dropped.
    pub fn into_mut(self) -> Self {
        let whole = self.0.bytes().len() == self.len() * size_of::<f32>();
        if whole && self.0.is_unique() {
            return self;
        }
        let shape = self.0.layout().shape().clone();
        let bytes = Bytes::from_elems(self.to_vec());
        Self(FlexTensor::new(bytes, Layout::contiguous(shape), DType::F32))
    }

    /// The numbers, to be written over. Call [`Array::into_mut`] first, because a shared array is copied here.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        self.0.storage_mut()
    }
}

impl KernelBackend for Flex {
    type Array = Array;

    fn to_array(tensor: FlexTensor) -> Array {
        Array::from_flex(tensor)
    }

    fn to_tensor(array: Array) -> FlexTensor {
        array.into_flex()
    }
}

impl Deref for Array {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("an array is contiguous and of f32")
    }
}
