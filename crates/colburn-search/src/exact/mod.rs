//! Exact search by MaxSim, tile by tile.

mod device;
mod floor;
mod host;
mod products;
mod scoring;
mod top_k;

use colburn_ops::Embeddings;
use rayon::prelude::*;

pub(crate) use device::{LateScores, Queries as DeviceQueries, Tiling};
pub use floor::Floor;
pub use scoring::{Scoring, scores};
pub use top_k::Hit;

use self::{
    scoring::{Scorer, check},
    top_k::TopK,
};
use crate::{Error, Packed, Result};

/// The number of scores in memory at once: 16 MiB.
const SCORES: usize = 1 << 22;

/// The best `k` documents of each query among all added ones.
///
/// Of equal scores, the document with the smaller number is better. The result does not depend on the order of the documents or on their
/// distribution among calls, as long as each has the same floor.
///
/// ```
/// use colburn_search::{ExactSearch, Floor, Packed};
///
/// let (mut queries, mut first, mut second) = (Packed::new(2), Packed::new(2), Packed::new(2));
/// queries.push_values(&[1.0, 0.0])?;
/// first.push_values(&[0.5, 0.5])?;
/// first.push_values(&[0.25, 1.0])?;
/// second.push_values(&[0.0, 1.0, 0.75, 0.0])?;
///
/// let mut search = ExactSearch::new(&queries, 2)?;
/// search.add(&[0, 1], &first, Floor::None)?;
/// search.add(&[2], &second, Floor::None)?;
/// let found = search.finish()?;
/// assert_eq!(found[0].iter().map(|hit| (hit.document, hit.score)).collect::<Vec<_>>(), [(2, 0.75), (0, 0.5)]);
/// # Ok::<(), colburn_search::Error>(())
/// ```
#[derive(Debug)]
pub struct ExactSearch<'a> {
    queries: &'a Packed,
    best: Vec<TopK>,
    scoring: Scoring,
    /// The queries, prepared for the scoring when the first documents are added.
    scorer: Option<Scorer>,
    /// The last scores of a device, with the numbers of their documents: it computes them while the next documents are prepared.
    late: Option<(Vec<usize>, LateScores)>,
}

impl<'a> ExactSearch<'a> {
    /// A search for the `k` best documents of each query.
    ///
    /// # Errors
    /// When `k` is 0.
    pub fn new(queries: &'a Packed, k: usize) -> Result<Self> {
        if k == 0 {
            let message = "a positive number of documents is expected".to_owned();
            return Err(Error::Argument { name: "k", value: k.to_string(), message });
        }
        let best = vec![TopK::new(k); queries.len()];
        Ok(Self { queries, best, scoring: Scoring::Host, scorer: None, late: None })
    }

    /// Sets the place where scores are computed. The default is the host.
    pub fn scoring(mut self, scoring: Scoring) -> Self {
        self.scoring = scoring;
        self.scorer = None;
        self
    }

    /// Adds documents with numbers of the caller's choice. Each number should occur once.
    ///
    /// # Errors
    /// When there is not one number for each document, the widths differ, [`Floor::Marked`] does not have one entry for each document, or a
    /// score is not finite. The documents of an error, and those after them, are not added. A device computes beside the host: a score of it
    /// that is not finite is the error of the next call.
    pub fn add(&mut self, numbers: &[usize], documents: &Packed, floor: Floor<'_>) -> Result<()> {
        if !self.has_scores(numbers, (documents.len(), documents.dim()), floor)? {
            return Ok(());
        }
        let scorer = prepared(&mut self.scorer, self.queries, &self.scoring)?;
        let size = (SCORES / self.queries.len()).max(1);
        for start in (0..documents.len()).step_by(size) {
            let range = start..documents.len().min(start + size);
            let numbers = &numbers[range.clone()];
            match scorer {
                Scorer::Host(queries) => keep(&mut self.best, numbers, &queries.scores(documents, range, floor))?,
                Scorer::Device(queries) => {
                    let begun = queries.begin(documents, range, floor)?;
                    let before = self.late.replace((numbers.to_vec(), begun));
                    settle(queries, before, &mut self.best)?;
                }
            }
        }
        Ok(())
    }

    /// Adds documents that are on a device, where they stay. Their tokens that do not count are left out, and of floors only those that are
    /// given here hold. Without [`Scoring::Device`] they are read to the host.
    ///
    /// # Errors
    /// As [`ExactSearch::add`].
    pub fn add_on_device(&mut self, numbers: &[usize], documents: &Embeddings, floor: Floor<'_>) -> Result<()> {
        if !self.has_scores(numbers, (documents.len(), documents.dim()), floor)? {
            return Ok(());
        }
        match prepared(&mut self.scorer, self.queries, &self.scoring)? {
            Scorer::Device(queries) => {
                let begun = queries.begin_on_device(documents, floor)?;
                let before = self.late.replace((numbers.to_vec(), begun));
                settle(queries, before, &mut self.best)
            }
            Scorer::Host(_) => self.add(numbers, &Packed::from_device(documents)?, floor),
        }
    }

    /// Checks the input. False if there is nothing to score.
    fn has_scores(&self, numbers: &[usize], documents: (usize, usize), floor: Floor<'_>) -> Result<bool> {
        if numbers.len() != documents.0 {
            let what = "numbers of documents".to_owned();
            return Err(Error::Length { what, expected: documents.0, found: numbers.len() });
        }
        check(self.queries, documents, floor)?;
        Ok(!self.queries.is_empty() && !numbers.is_empty())
    }

    /// The best documents of each query, best first; fewer than `k` if fewer were added.
    ///
    /// # Errors
    /// When the last scores of a device are not finite, or cannot be read.
    pub fn finish(mut self) -> Result<Vec<Vec<Hit>>> {
        if let Some(Scorer::Device(queries)) = &self.scorer {
            settle(queries, self.late.take(), &mut self.best)?;
        }
        Ok(self.best.into_iter().map(TopK::into_hits).collect())
    }
}

/// The queries, prepared once.
fn prepared<'s>(scorer: &'s mut Option<Scorer>, queries: &Packed, scoring: &Scoring) -> Result<&'s Scorer> {
    match scorer {
        Some(scorer) => Ok(scorer),
        none => Ok(none.insert(Scorer::new(queries, scoring)?)),
    }
}

/// Reads the scores that a device has computed, and keeps the best.
fn settle(queries: &DeviceQueries, late: Option<(Vec<usize>, LateScores)>, best: &mut [TopK]) -> Result<()> {
    late.map_or(Ok(()), |(numbers, late)| keep(best, &numbers, &queries.read(late)?))
}

/// Adds the scores of documents, row-major `[queries, documents]`, to the best ones.
fn keep(best: &mut [TopK], numbers: &[usize], scores: &[f32]) -> Result<()> {
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        let (query, document) = (at / numbers.len(), numbers[at % numbers.len()]);
        return Err(Error::Score { query, document, score: scores[at] });
    }
    best.par_iter_mut().zip(scores.par_chunks_exact(numbers.len())).for_each(|(best, scores)| {
        numbers.iter().zip(scores).for_each(|(&document, &score)| best.add(document, score));
    });
    Ok(())
}

/// The best `k` of all documents for each query, best first; documents are numbered by their place.
///
/// # Errors
/// As [`ExactSearch::new`] and [`ExactSearch::add`].
pub fn search(queries: &Packed, documents: &Packed, k: usize, floor: Floor<'_>) -> Result<Vec<Vec<Hit>>> {
    let mut search = ExactSearch::new(queries, k)?;
    search.add(&(0..documents.len()).collect::<Vec<_>>(), documents, floor)?;
    search.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "flex")]
    use crate::testing;
    use crate::testing::{Random, selected, slow_scores, slow_search};

    /// Integers, so that sums are exact and equal scores abound: the result must be that of sorting to the last tie.
    #[test]
    fn equals_brute_force_in_any_order_and_any_parts() {
        let mut random = Random::new(10);
        let mut ties = 0;
        for round in 0..120 {
            let dim = [1, 7, 16, 128][round % 4];
            let (count, longest) = (random.below(6), [0, 1, 6][random.below(3)]);
            let queries = random.texts(count, longest, dim, true);
            let (count, longest) = (random.below(50), [0, 1, 8, 30][random.below(4)]);
            let documents = random.texts(count, longest, dim, true);
            let k = 1 + random.below(60);
            let marked: Vec<bool> = (0..count).map(|_| random.below(2) == 0).collect();
            for floor in [Floor::None, Floor::PaddedTo(random.below(31)), Floor::Marked(&marked)] {
                let scores = slow_scores(&queries, &documents, floor);
                let expected = slow_search(&scores, queries.len(), count, k);
                ties +=
                    expected.iter().flat_map(|hits| hits.windows(2)).filter(|two| two[0].score == two[1].score).count();
                assert_eq!(super::search(&queries, &documents, k, floor).unwrap(), expected);

                let mut order: Vec<usize> = (0..count).collect();
                random.shuffle(&mut order);
                let mut search = ExactSearch::new(&queries, k).unwrap();
                let mut rest = order.as_slice();
                while !rest.is_empty() {
                    let (part, behind) = rest.split_at(1 + random.below(rest.len()));
                    let marked: Vec<bool> = part.iter().map(|&document| marked[document]).collect();
                    let floor = if let Floor::Marked(_) = floor { Floor::Marked(&marked) } else { floor };
                    search.add(part, &selected(&documents, part), floor).unwrap();
                    rest = behind;
                }
                assert_eq!(search.finish().unwrap(), expected);
            }
        }
        assert!(ties > 1000, "{ties} ties");
    }

    /// More scores than are held at once.
    #[test]
    fn many_queries_take_the_documents_in_turns() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        (0..SCORES / 3).for_each(|_| queries.push_values(&[]).unwrap());
        (0..7).for_each(|document| documents.push_values(&[document as f32]).unwrap());
        queries.push_values(&[1.0]).unwrap();
        let found = search(&queries, &documents, 2, Floor::None).unwrap();
        let hits = |hits: [(usize, f32); 2]| hits.map(|(document, score)| Hit { document, score });
        assert_eq!(found.first().unwrap()[..], hits([(0, 0.0), (1, 0.0)]));
        assert_eq!(found.last().unwrap()[..], hits([(6, 6.0), (5, 5.0)]));
    }

    #[test]
    fn bad_input_is_named() {
        let mut random = Random::new(13);
        let (queries, documents) = (random.texts(2, 3, 4, false), random.texts(3, 3, 4, false));
        let k = ExactSearch::new(&queries, 0).unwrap_err().to_string();
        assert_eq!(k, "k = 0: a positive number of documents is expected");
        let mut search = ExactSearch::new(&queries, 5).unwrap();
        let numbers = search.add(&[0, 1], &documents, Floor::None).unwrap_err().to_string();
        assert_eq!(numbers, "2 numbers of documents; 3 are expected");
        let wide = random.texts(1, 3, 5, false);
        assert!(matches!(search.add(&[0], &wide, Floor::None), Err(Error::Dimensions { expected: 4, found: 5, .. })));
        assert!(matches!(search.add(&[0, 1, 2], &documents, Floor::Marked(&[])), Err(Error::Length { .. })));
        assert!(search.finish().unwrap().iter().all(Vec::is_empty));
    }

    #[test]
    fn a_score_that_is_not_finite_names_query_and_document() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        [-1.0, 1.0].iter().for_each(|&value: &f32| queries.push_values(&[value]).unwrap());
        [1.0, 2.0].iter().for_each(|&value: &f32| documents.push_values(&[value]).unwrap());
        for value in [f32::NAN, f32::INFINITY] {
            let mut documents = documents.clone();
            documents.push_values(&[0.5, value]).unwrap();
            let mut search = ExactSearch::new(&queries, 2).unwrap();
            let error = search.add(&[10, 20, 30], &documents, Floor::None).unwrap_err().to_string();
            // Minus infinity is not the maximum of the first query; infinity is that of the second.
            let query = usize::from(value.is_infinite());
            let expected = format!("the score of query {query} with document 30 is {value}: ");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    /// A NaN in any token of a query or document is an error, wherever it is in the tiles and whether or not there is a floor.
    #[test]
    fn a_nan_among_queries_or_documents_is_never_a_result() {
        let mut random = Random::new(21);
        let (queries, documents) = (random.texts(4, 40, 9, false), random.texts(30, 60, 9, false));
        let mut scorings = vec![Scoring::Host];
        #[cfg(feature = "flex")]
        scorings.push(Scoring::Device(burn::tensor::Device::flex()));
        let refused = |queries: &Packed, documents: &Packed, scoring: &Scoring, floor: Floor<'_>| {
            let mut search = ExactSearch::new(queries, 3).unwrap().scoring(scoring.clone());
            let numbers: Vec<usize> = (0..documents.len()).collect();
            let found = search.add(&numbers, documents, floor).and_then(|()| search.finish());
            let error = found.unwrap_err().to_string();
            assert!(error.contains(" is NaN: the embeddings hold values that are not finite"), "{error}");
            error
        };
        for scoring in &scorings {
            for round in 0..20 {
                let floor = if round % 2 == 0 { Floor::None } else { Floor::PaddedTo(61) };
                let document = (0..30).cycle().skip(random.below(30)).find(|&text| !documents.range(text).is_empty());
                let document = document.unwrap();
                let token = documents.range(document).start + random.below(documents.range(document).len());
                let message = refused(&queries, &with_nan(&documents, token * 9 + round % 9), scoring, floor);
                assert!(message.contains(&format!("with document {document} is NaN")), "{message}");
                let token = random.below(queries.tokens());
                refused(&with_nan(&queries, token * 9 + round % 9), &documents, scoring, floor);
            }
        }
    }

    fn with_nan(texts: &Packed, at: usize) -> Packed {
        let mut values = texts.values().to_vec();
        values[at] = f32::NAN;
        let mut with_nan = Packed::new(texts.dim());
        for text in 0..texts.len() {
            let tokens = texts.range(text);
            with_nan.push_values(&values[tokens.start * texts.dim()..tokens.end * texts.dim()]).unwrap();
        }
        with_nan
    }

    #[cfg(feature = "flex")]
    #[test]
    fn a_device_finds_what_the_host_finds() {
        let mut random = Random::new(14);
        let (queries, documents) = (random.texts(5, 8, 16, true), random.texts(40, 20, 16, true));
        let numbers: Vec<usize> = (0..40).collect();
        let mut on_device =
            ExactSearch::new(&queries, 7).unwrap().scoring(Scoring::Device(burn::tensor::Device::flex()));
        on_device.add(&numbers, &documents, Floor::PaddedTo(15)).unwrap();
        assert_eq!(on_device.finish().unwrap(), search(&queries, &documents, 7, Floor::PaddedTo(15)).unwrap());
    }

    /// Documents that stay on the device are found as those of the host, in parts, by either scoring.
    #[cfg(feature = "flex")]
    #[test]
    fn documents_on_a_device_stay_there() {
        let mut random = Random::new(22);
        for scoring in [Scoring::Host, Scoring::Device(burn::tensor::Device::flex())] {
            let (queries, documents) = (random.texts(5, 8, 16, true), random.texts(40, 20, 16, true));
            let marked: Vec<bool> = (0..40).map(|_| random.below(2) == 0).collect();
            let mut there = ExactSearch::new(&queries, 7).unwrap().scoring(scoring);
            for part in [0..0, 0..13, 13..14, 14..40] {
                let numbers: Vec<usize> = part.clone().collect();
                let part_there = testing::on_device(&selected(&documents, &numbers), &mut random);
                there.add_on_device(&numbers, &part_there, Floor::Marked(&marked[part])).unwrap();
            }
            let expected = search(&queries, &documents, 7, Floor::Marked(&marked)).unwrap();
            assert_eq!(there.finish().unwrap(), expected);
        }
    }

    /// The scores of a device are read late, and so are their errors.
    #[cfg(feature = "flex")]
    #[test]
    fn the_last_documents_of_a_device_are_checked_too() {
        let (mut queries, mut documents) = (Packed::new(1), Packed::new(1));
        queries.push_values(&[1.0]).unwrap();
        [0.5, f32::NAN].iter().for_each(|&value: &f32| documents.push_values(&[value]).unwrap());
        let there = testing::on_device(&documents, &mut Random::new(23));
        let device = Scoring::Device(burn::tensor::Device::flex());
        let mut search = ExactSearch::new(&queries, 3).unwrap().scoring(device);
        search.add_on_device(&[7, 8], &there, Floor::None).unwrap();
        let message = search.finish().unwrap_err().to_string();
        assert!(message.starts_with("the score of query 0 with document 8 is NaN"), "{message}");
    }
}
