//! Token pooling: similar vectors of a document are replaced by their mean, so that an index of them is smaller (Clavié, Chaffin and Adams
//! 2024, "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token Pooling";
//! `ColBERT.pool_embeddings_hierarchical` of PyLate).
//!
//! PyLate clusters with SciPy, this module with kodama. Its Ward linkage is SciPy's on distances that are not squared yet; its merges are in
//! SciPy's order, and clusters have SciPy's names. Equal vectors are merged as in SciPy (the fixtures have some); in general two libraries
//! may choose different ones of several equally good merges. PyLate fails on equal vectors that are slightly longer than 1 by rounding,
//! because SciPy refuses a negative distance. Here a negative distance is allowed.

use kodama::{Dendrogram, Method};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::{Error, Result, TokenEmbeddings};

/// Pools the vectors of a document: the first `protected` vectors are kept, the others become at most one mean for each `factor` of them.
/// Means are not scaled to length 1 again. A document with too few vectors to pool is returned as it is.
///
/// Clusters are found by Ward linkage of 1 − the dot product, so vectors should have length 1, as
/// [`ColBert::encode`](crate::ColBert::encode) gives them. Means are in the order in which SciPy's `fcluster` numbers the clusters: by
/// similarity, not by place in the text, which does not matter to MaxSim.
///
/// # Shapes
/// `[tokens, dim]` to `[protected + max(1, (tokens − protected) / factor), dim]` or fewer rows, where merges of equal height go together.
///
/// ```
/// use colburn_model::{TokenEmbeddings, pool};
///
/// let (x, y) = ([1.0, 0.0], [0.0, 1.0]);
/// let document = TokenEmbeddings { values: [x, x, y, x, y].concat(), dim: 2 };
/// assert_eq!(pool(&document, 2, 1)?.values, [x, x, y].concat());
/// assert_eq!(pool(&document, 4, 1)?.values, [x, [0.5, 0.5]].concat());
/// # Ok::<(), colburn_model::Error>(())
/// ```
///
/// # Errors
/// When `factor` is 0, or vectors that are to be pooled are not finite.
pub fn pool(embeddings: &TokenEmbeddings, factor: usize, protected: usize) -> Result<TokenEmbeddings> {
    if factor == 0 {
        return Err(Error::config("pool_factor", "0; a positive number is expected"));
    }
    let dim = embeddings.dim;
    let protected = protected.min(embeddings.tokens());
    let count = embeddings.tokens() - protected;
    let clusters = (count / factor).max(1);
    if clusters >= count {
        return Ok(embeddings.clone());
    }
    let (kept, rest) = embeddings.values.split_at(protected * dim);
    let rows: Vec<&[f32]> = rest.chunks_exact(dim).collect();
    let mut distances = distances(&rows, protected)?;
    let labels = labels(&kodama::linkage(&mut distances, count, Method::Ward), clusters);
    let mut values = kept.to_vec();
    values.extend(means(&rows, &labels, dim));
    Ok(TokenEmbeddings { values, dim })
}

/// Pools several documents on all cores.
pub(crate) fn pool_all(texts: Vec<TokenEmbeddings>, factor: usize, protected: usize) -> Result<Vec<TokenEmbeddings>> {
    texts.into_par_iter().map(|text| pool(&text, factor, protected)).collect()
}

/// 1 − the dot product of each pair of rows, in SciPy's condensed order, rounded to f32 as in PyLate and widened as in SciPy.
fn distances(rows: &[&[f32]], first_token: usize) -> Result<Vec<f64>> {
    let mut distances = Vec::with_capacity(rows.len() * rows.len().saturating_sub(1) / 2);
    for (at, row) in rows.iter().enumerate() {
        for (other, other_row) in rows.iter().enumerate().skip(at + 1) {
            let distance = 1.0 - dot(row, other_row) as f32;
            if !distance.is_finite() {
                return Err(Error::NotFinite { first: first_token + at, second: first_token + other, distance });
            }
            distances.push(f64::from(distance));
        }
    }
    Ok(distances)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += f64::from(*a) * f64::from(*b);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The cluster of each observation, at most `clusters` of them, counted from 0 (`scipy.cluster.hierarchy.fcluster(…,
/// criterion="maxclust")`, which counts from 1). Merges of equal height happen together or not at all, so there may be fewer clusters.
fn labels(dendrogram: &Dendrogram<f64>, clusters: usize) -> Vec<usize> {
    let (count, steps) = (dendrogram.observations(), dendrogram.steps());
    let mut labels = vec![0; count];
    // Each merge reduces the number of clusters by one. Merges are ordered by height, those within a cluster before the cluster's own.
    let Some(last) = count.checked_sub(clusters + 1).and_then(|last| steps.get(last)) else {
        return (0..count).collect();
    };
    let cutoff = last.dissimilarity;
    let mut seen = vec![false; steps.len()];
    let mut path = vec![steps.len() - 1];
    let (mut found, mut leader) = (0, None);
    while let Some(&node) = path.last() {
        if leader.is_none() && steps[node].dissimilarity <= cutoff {
            leader = Some(node);
            found += 1;
        }
        let children = [steps[node].cluster1, steps[node].cluster2];
        if let Some(child) = children.iter().filter_map(|child| child.checked_sub(count)).find(|&child| !seen[child]) {
            seen[child] = true;
            path.push(child);
            continue;
        }
        for leaf in children.into_iter().filter(|&child| child < count) {
            found += usize::from(leader.is_none());
            labels[leaf] = found - 1;
        }
        if leader == Some(node) {
            leader = None;
        }
        path.pop();
    }
    labels
}

/// The mean of the rows of each label, in the order of the labels.
fn means(rows: &[&[f32]], labels: &[usize], dim: usize) -> Vec<f32> {
    let clusters = labels.iter().max().map_or(0, |last| last + 1);
    let (mut sums, mut counts) = (vec![0.0; clusters * dim], vec![0_usize; clusters]);
    for (row, &label) in rows.iter().zip(labels) {
        counts[label] += 1;
        for (sum, value) in sums[label * dim..(label + 1) * dim].iter_mut().zip(*row) {
            *sum += value;
        }
    }
    for (mean, count) in sums.chunks_exact_mut(dim.max(1)).zip(counts) {
        mean.iter_mut().for_each(|value| *value /= count as f32);
    }
    sums
}

#[cfg(test)]
mod tests {
    use kodama::Step;

    use super::*;

    fn embeddings(rows: &[[f32; 2]]) -> TokenEmbeddings {
        TokenEmbeddings { values: rows.concat(), dim: 2 }
    }

    // points = numpy.array([0.0, 0.1, 1.0, 1.25, 5.0, 9.0, 9.5]); d = scipy.spatial.distance.pdist(points[:, None])
    // z = scipy.cluster.hierarchy.linkage(d, "ward"); print(z.tolist())
    // for k in range(1, 8): print(scipy.cluster.hierarchy.fcluster(z, k, "maxclust").tolist())
    #[test]
    fn clusters_are_numbered_as_scipy_does() {
        let points = [0.0, 0.1, 1.0, 1.25, 5.0, 9.0, 9.5_f64];
        let mut distances = Vec::new();
        for (at, point) in points.iter().enumerate() {
            distances.extend(points[at + 1..].iter().map(|other| (point - other).abs()));
        }
        let dendrogram = kodama::linkage(&mut distances, points.len(), Method::Ward);
        let steps = [
            Step::new(0, 1, 0.1, 2),
            Step::new(2, 3, 0.25, 2),
            Step::new(5, 6, 0.5, 2),
            Step::new(7, 8, 1.520279579551077, 4),
            Step::new(4, 9, 4.907477288111819, 3),
            Step::new(10, 11, 13.416676279203894, 7),
        ];
        assert_eq!(dendrogram.len(), steps.len());
        for (found, expected) in dendrogram.steps().iter().zip(&steps) {
            assert!(found.eq_with_epsilon(expected, 1e-12), "{found:?} {expected:?}");
        }
        let expected = [
            [1, 1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 2, 2, 2],
            [1, 1, 1, 1, 3, 2, 2],
            [1, 1, 2, 2, 4, 3, 3],
            [1, 1, 2, 2, 5, 3, 4],
            [1, 1, 2, 3, 6, 4, 5],
            [1, 2, 3, 4, 5, 6, 7],
        ];
        for (clusters, expected) in (1..).zip(expected) {
            let found: Vec<usize> = labels(&dendrogram, clusters).iter().map(|label| label + 1).collect();
            assert_eq!(found, expected, "{clusters} clusters");
        }
    }

    #[test]
    fn merges_of_equal_height_go_together() {
        let step = |a, b, height, size| Step::new(a, b, height, size);
        let mut dendrogram = Dendrogram::new(4);
        [step(0, 1, 1.0, 2), step(2, 3, 1.0, 2), step(4, 5, 3.0, 4)].into_iter().for_each(|step| dendrogram.push(step));
        assert_eq!(labels(&dendrogram, 3), [0, 0, 1, 1]);
        assert_eq!(labels(&dendrogram, 4), [0, 1, 2, 3]);
        assert_eq!(labels(&dendrogram, 1), [0; 4]);
    }

    #[test]
    fn short_documents_are_not_pooled() {
        let text = embeddings(&[[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]);
        for (factor, protected) in [(1, 0), (2, 2), (9, 2), (2, 3), (2, 99)] {
            assert_eq!(pool(&text, factor, protected).unwrap(), text, "{factor} {protected}");
        }
        let none = embeddings(&[]);
        assert_eq!(pool(&none, 2, 0).unwrap(), none);
        assert_eq!(pool(&text, 9, 1).unwrap().tokens(), 2);
        assert_eq!(pool(&text, usize::MAX, 0).unwrap().tokens(), 1);
    }

    #[test]
    fn vectors_that_cannot_be_pooled_are_an_error() {
        let text = embeddings(&[[1.0, 0.0], [0.0, 1.0], [f32::NAN, 0.8]]);
        assert_eq!(pool(&text, 0, 1).unwrap_err().to_string(), "pool_factor: 0; a positive number is expected");
        let message = pool(&text, 2, 1).unwrap_err().to_string();
        assert_eq!(message, "token vectors 1 and 2 of a text have distance NaN; only finite vectors can be pooled");
        let huge = embeddings(&[[1e30, 0.0], [1e30, 0.0], [0.0, 1.0]]);
        assert!(pool(&huge, 2, 0).unwrap_err().to_string().contains("vectors 0 and 1"));
    }

    // v = torch.tensor([[0.6, 0.8000001], [0.6, 0.8000001], [1., 0.], [0., 1.]])
    // model.pool_embeddings_hierarchical([v], 2, 0)  # ValueError: Linkage 'Z' contains negative distances.
    #[test]
    fn equal_vectors_longer_than_1_are_one() {
        let text = embeddings(&[[0.6, 0.8000001], [0.6, 0.8000001], [1.0, 0.0], [0.0, 1.0]]);
        let pooled = pool(&text, 2, 0).unwrap();
        assert_eq!(pooled.tokens(), 2);
        assert!((pooled.values[0] - 0.4).abs() < 1e-6 && (pooled.values[1] - 2.6 / 3.0).abs() < 1e-6, "{pooled:?}");
        assert_eq!(pooled.values[2..], [1.0, 0.0]);
    }

    #[test]
    fn order_of_texts_is_kept() {
        let texts: Vec<TokenEmbeddings> =
            (0..50).map(|text| embeddings(&vec![[(text as f32).cos(), (text as f32).sin()]; text])).collect();
        let pooled = pool_all(texts.clone(), 3, 1).unwrap();
        for (text, pooled) in texts.iter().zip(&pooled) {
            assert_eq!(*pooled, pool(text, 3, 1).unwrap());
        }
    }
}
