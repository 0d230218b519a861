//! The ranking of scores. The rule for ties is stated here, once: every ranking of this crate follows it.

use crate::{Error, Result};

/// The positions of `scores`, best first: descending by score, and among equal scores (0 and −0 are equal) the smaller position first.
///
/// Infinite scores have their place; a NaN has none.
///
/// ```
/// use colburn_eval::rank::order;
///
/// assert_eq!(order(&[0.5, 2.0, 0.5, 1.0])?, [1, 3, 0, 2]);
/// # Ok::<(), colburn_eval::Error>(())
/// ```
///
/// # Errors
/// When a score is NaN; the message names its position.
pub fn order(scores: &[f32]) -> Result<Vec<usize>> {
    if let Some(position) = scores.iter().position(|score| score.is_nan()) {
        return Err(Error::Score { position, scores: scores.len() });
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // A stable sort keeps equal scores in the order of their positions.
    order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap_or(std::cmp::Ordering::Equal));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn ties_go_by_position() {
        assert_eq!(order(&[1.0, 3.0, 1.0, 3.0, 2.0]).unwrap(), [1, 3, 4, 0, 2]);
        assert_eq!(order(&[0.0, -0.0, 0.0]).unwrap(), [0, 1, 2]);
        assert_eq!(order(&[f32::NEG_INFINITY, 0.0, f32::INFINITY]).unwrap(), [2, 1, 0]);
        assert!(order(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_nan_is_named() {
        let message = order(&[1.0, f32::NAN, 2.0]).unwrap_err().to_string();
        assert_eq!(
            message,
            "score 1 of 3 (counted from 0) is NaN: nothing can be ordered by it; finite scores are expected"
        );
    }
}
