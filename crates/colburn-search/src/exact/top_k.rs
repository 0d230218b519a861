//! The best documents of a query, in a heap of at most k. Of equal scores the document with the smaller number is better, so the result does
//! not depend on the order of the documents.

use std::{cmp::Ordering, collections::BinaryHeap};

/// A document that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number.
    pub document: usize,
    /// Its MaxSim score.
    pub score: f32,
}

/// The best of the added documents.
#[derive(Clone, Debug)]
pub(crate) struct TopK {
    k: usize,
    /// The worst of them on top.
    heap: BinaryHeap<Ranked>,
}

/// Hits from best to worst. Scores are finite.
#[derive(Clone, Copy, Debug)]
struct Ranked(Hit);

impl TopK {
    pub fn new(k: usize) -> Self {
        Self { k, heap: BinaryHeap::new() }
    }

    /// Adds a document with a finite score.
    pub fn add(&mut self, document: usize, score: f32) {
        // Without the sign of a negative zero, which would be worse than zero.
        let hit = Ranked(Hit { document, score: score + 0.0 });
        if self.heap.len() < self.k {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// Best first.
    pub fn into_hits(self) -> Vec<Hit> {
        self.heap.into_sorted_vec().into_iter().map(|Ranked(hit)| hit).collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.score.total_cmp(&self.0.score).then(self.0.document.cmp(&other.0.document))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn equals_sorting_in_any_order() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let count = random.below(40);
            // Few different scores, so that most of them tie; among them both zeros.
            let mut shown: Vec<(usize, f32)> =
                (0..count).map(|document| (document, random.below(5) as f32 * -0.5)).collect();
            let k = 1 + random.below(50);
            let mut expected = shown.clone();
            expected.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
            expected.truncate(k);
            random.shuffle(&mut shown);
            let mut top = TopK::new(k);
            shown.iter().for_each(|&(document, score)| top.add(document, score));
            let found: Vec<(usize, f32)> = top.into_hits().iter().map(|hit| (hit.document, hit.score)).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_k_without_bound_needs_no_memory_of_its_own() {
        let mut top = TopK::new(usize::MAX);
        top.add(7, 1.0);
        assert_eq!(top.into_hits(), [Hit { document: 7, score: 1.0 }]);
    }
}
