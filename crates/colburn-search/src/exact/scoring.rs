//! MaxSim of every query with every document, on the host or on a device.

use burn::tensor::Device;

use super::{device, floor::Floor, host};
use crate::{Error, Packed, Result};

/// The place where scores are computed.
#[derive(Clone, Debug, Default)]
pub enum Scoring {
    /// On all cores of the host.
    #[default]
    Host,
    /// On a device, by the operations of colburn-ops.
    Device(Device),
}

impl Scoring {
    /// The scoring for the device of a model: the host for a CPU backend (flex, ndarray), the device for any other.
    pub fn for_device(device: &Device) -> Self {
        if colburn_ops::device::is_cpu(device) { Self::Host } else { Self::Device(device.clone().inner()) }
    }

    /// [`scores`], computed in this place.
    ///
    /// # Errors
    /// As [`scores`]; and when a device fails.
    pub fn scores(&self, queries: &Packed, documents: &Packed, floor: Floor<'_>) -> Result<Vec<f32>> {
        check(queries, (documents.len(), documents.dim()), floor)?;
        match Scorer::new(queries, self)? {
            Scorer::Host(queries) => Ok(queries.scores(documents, 0..documents.len(), floor)),
            Scorer::Device(queries) => queries.read(queries.begin(documents, 0..documents.len(), floor)?),
        }
    }
}

/// MaxSim of every query with every document, row-major `[queries, documents]`, on all cores of the host: the sum over the query's tokens of
/// the largest product with a token of the document (`scores.colbert_scores` of PyLate).
///
/// A query or document without tokens scores 0. Memory is needed for two copies of the result, one copy of the queries, and some hundred
/// kilobytes a thread. Scores are the same to the bit in any company and on any number of threads. A NaN among the values of a text makes its
/// scores NaN.
///
/// ```
/// use colburn_search::{Floor, Packed, scores};
///
/// let (mut queries, mut documents) = (Packed::new(2), Packed::new(2));
/// queries.push_values(&[1.0, 0.0, 0.0, 1.0])?;
/// documents.push_values(&[3.0, 1.0, 2.0, 4.0])?;
/// documents.push_values(&[-1.0, 2.0])?;
/// assert_eq!(scores(&queries, &documents, Floor::None)?, [3.0 + 4.0, -1.0 + 2.0]);
/// // The second document padded to two tokens, as PyLate does it: no maximum is below 0.
/// assert_eq!(scores(&queries, &documents, Floor::PaddedTo(2))?, [7.0, 0.0 + 2.0]);
/// # Ok::<(), colburn_search::Error>(())
/// ```
///
/// # Errors
/// When the widths differ, or [`Floor::Marked`] does not have one entry for each document.
pub fn scores(queries: &Packed, documents: &Packed, floor: Floor<'_>) -> Result<Vec<f32>> {
    Scoring::Host.scores(queries, documents, floor)
}

/// Refuses queries and documents, of which the number and the width are given, of two widths, and a wrong number of marks.
pub(crate) fn check(queries: &Packed, (documents, width): (usize, usize), floor: Floor<'_>) -> Result<()> {
    if queries.dim() != width && !queries.is_empty() && documents > 0 {
        let (expected, found) = (queries.dim(), width);
        return Err(Error::Dimensions { what: "documents".to_owned(), expected, found });
    }
    match floor {
        Floor::Marked(marked) if marked.len() != documents => {
            let what = "marks of documents with a floor".to_owned();
            Err(Error::Length { what, expected: documents, found: marked.len() })
        }
        _ => Ok(()),
    }
}

/// Queries, prepared to be scored with any number of documents.
#[derive(Debug)]
pub(crate) enum Scorer {
    Host(host::Queries),
    Device(device::Queries),
}

impl Scorer {
    pub fn new(queries: &Packed, scoring: &Scoring) -> Result<Self> {
        Ok(match scoring {
            Scoring::Host => Self::Host(host::Queries::new(queries, host::Tiling::default())),
            Scoring::Device(device) => Self::Device(device::Queries::new(queries, device, device::Tiling::of(device))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn texts_without_tokens_score_zero() {
        let mut random = Random::new(7);
        let some = random.texts(3, 4, 5, false);
        let mut empty = Packed::new(5);
        empty.push_values(&[]).unwrap();
        assert_eq!(scores(&some, &empty, Floor::None).unwrap(), [0.0; 3]);
        assert_eq!(scores(&empty, &some, Floor::None).unwrap(), [0.0; 3]);
        assert_eq!(scores(&empty, &empty, Floor::PaddedTo(9)).unwrap(), [0.0]);
        assert_eq!(scores(&some, &Packed::default(), Floor::None).unwrap(), [0.0; 0]);
        assert_eq!(scores(&Packed::default(), &some, Floor::Marked(&[true; 3])).unwrap(), [0.0; 0]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut random = Random::new(8);
        let (queries, documents) = (random.texts(2, 3, 4, false), random.texts(3, 3, 5, false));
        let widths = scores(&queries, &documents, Floor::None).unwrap_err().to_string();
        assert!(widths.starts_with("documents have 5 dimensions, 4 are expected"), "{widths}");
        let marks = scores(&documents, &documents, Floor::Marked(&[true, false])).unwrap_err().to_string();
        assert_eq!(marks, "2 marks of documents with a floor; 3 are expected");
    }

    #[test]
    fn a_nan_shows_in_the_scores_that_it_is_part_of() {
        let (mut queries, mut documents) = (Packed::new(2), Packed::new(2));
        for values in [[1.0, 1.0], [f32::NAN, 1.0]] {
            queries.push_values(&values).unwrap();
        }
        documents.push_values(&[1.0, 2.0, f32::NAN, 0.0, 5.0, 5.0]).unwrap();
        documents.push_values(&[1.0, 2.0]).unwrap();
        documents.push_values(&[f32::NEG_INFINITY, f32::INFINITY]).unwrap();
        for floor in [Floor::None, Floor::PaddedTo(7)] {
            let nan: Vec<bool> =
                scores(&queries, &documents, floor).unwrap().iter().map(|score| score.is_nan()).collect();
            assert_eq!(nan, [true, false, true, true, true, true]);
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn the_device_decides_where_and_not_what() {
        let flex = Device::flex();
        assert!(matches!(Scoring::for_device(&flex), Scoring::Host));
        assert!(matches!(Scoring::for_device(&flex.clone().autodiff()), Scoring::Host));
        let mut random = Random::new(9);
        let (queries, documents) = (random.texts(7, 20, 16, false), random.texts(30, 50, 16, false));
        for floor in [Floor::None, Floor::PaddedTo(30)] {
            let on_device = Scoring::Device(flex.clone()).scores(&queries, &documents, floor).unwrap();
            crate::testing::assert_close(&on_device, &scores(&queries, &documents, floor).unwrap());
        }
        let wide = random.texts(1, 2, 17, false);
        assert!(matches!(Scoring::Device(flex).scores(&queries, &wide, Floor::None), Err(Error::Dimensions { .. })));
    }
}
